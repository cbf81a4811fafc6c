#!/bin/sh
# Ставит PACS Proxy одной МО из этого комплекта: проверяет подпись, поднимает сервер, подключает его к центру, проверяет
# всё, что может не работать, и говорит, что указать на аппаратах. Можно запускать повторно. Права root не обязательны.
#
#   ./install.sh [--into ПАПКА] [--runtime docker|native] [--cami ПАПКА] [--http-port N] [--dicom-port N] [--address IP]
#   ./install.sh --join            подключиться снова: прежний ключ отозван, выдан новый код
#   ./install.sh --test | --status | --start | --stop | --log | --card
#
# Код подключения спрашивается; без терминала он читается из стандартного ввода (первая строка).
# Коды возврата: 0 – готово, 1 – не вышло (сказано, что делать), 2 – неверный вызов.
set -eu
LC_ALL=C.UTF-8
export LC_ALL
umask 077

bundle=$(cd "$(dirname "$0")" && pwd)
MO='' NAME='' AET='' SUITE='' VERSION='' CENTRAL_URL='' HTTP_PORT='' DICOM_PORT='' ADDRESS=''
# shellcheck source=/dev/null
. "$bundle/about.conf"

into='' runtime='' cami='' http_port='' dicom_port='' address=$ADDRESS action=install again=''
while [ $# -gt 0 ]; do
  case $1 in
    --into | --runtime | --cami | --http-port | --dicom-port | --address)
      [ $# -gt 1 ] || { echo "✗ после $1 нужно значение" >&2; exit 2; }
      case $1 in
        --into) into=$2 ;; --runtime) runtime=$2 ;; --cami) cami=$2 ;;
        --http-port) http_port=$2 ;; --dicom-port) dicom_port=$2 ;; --address) address=$2 ;;
      esac
      shift 2 ;;
    --join) again=1; shift ;;
    --test | --status | --start | --stop | --log | --card) action=${1#--}; shift ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "✗ неизвестный параметр $1 (помощь: ./install.sh --help)" >&2; exit 2 ;;
  esac
done

say() { printf '%s\n' "$*"; }
step() { printf '\n%s\n' "$*"; }
give_up() {
  printf '✗ %s\n' "$1" >&2
  printf '  → %s\n' "$2" >&2
  exit 1
}

name=cami-proxy-$MO
if [ -z "$into" ]; then
  if [ "$(id -u)" = 0 ]; then into=/opt/$name; else into=$HOME/$name; fi
fi
image=cami:$SUITE

# What was decided at the first installation holds for the next calls.
if [ -r "$into/chosen.conf" ]; then
  # shellcheck source=/dev/null
  . "$into/chosen.conf"
  runtime=${runtime:-$CHOSEN_RUNTIME} http_port=${http_port:-$CHOSEN_HTTP} dicom_port=${dicom_port:-$CHOSEN_DICOM}
  address=${address:-$CHOSEN_ADDRESS} cami=${cami:-$CHOSEN_CAMI}
fi
http_port=${http_port:-$HTTP_PORT} dicom_port=${dicom_port:-$DICOM_PORT}

# --- the bundle itself -----------------------------------------------------------------------------------------------

verify() {
  for tool in openssl sha256sum tar; do
    command -v $tool >/dev/null || give_up "нет программы $tool" "установите её: apt-get install openssl coreutils tar"
  done
  cd "$bundle"
  openssl dgst -sha256 -verify bundle.pub -signature SHA256SUMS.sig SHA256SUMS >/dev/null 2>&1 ||
    give_up "подпись комплекта неверна" "комплект повреждён или подменён: получите его заново у администратора ЦАМИ"
  sha256sum --quiet --strict -c SHA256SUMS >"$work/sums" 2>&1 || {
    cat "$work/sums" >&2
    give_up "файлы комплекта изменены" "распакуйте комплект заново в пустую папку"
  }
  signer=$(sha256sum bundle.pub | cut -c1-16)
  [ "${CHOSEN_SIGNER:-$signer}" = "$signer" ] ||
    give_up "этот комплект подписан не тем ключом, что прежний" "не продолжайте; сообщите администратору ЦАМИ"
}

# The second half of the code names the key that has signed the right bundle.
check_code() {
  plain=$(printf '%s' "$1" | tr -d ' \t\r-' | tr '[:upper:]' '[:lower:]')
  [ ${#plain} -eq 32 ] || give_up "код подключения должен состоять из 8 групп по 4 знака" "проверьте, как он введён"
  [ "$(printf '%s' "$plain" | cut -c17-32)" = "$signer" ] ||
    give_up "код и комплект не подходят друг к другу: комплект подписан другим ключом" \
      "не продолжайте; сообщите администратору ЦАМИ, получите комплект и код заново"
}

read_code() {
  if [ -t 0 ]; then
    printf 'Код подключения (его даёт администратор ЦАМИ): '
    stty -echo
    read -r code || code=''
    stty echo
    printf '\n'
  else
    read -r code || code=''
  fi
  [ -n "$code" ] || give_up "код подключения не указан" "запустите ./install.sh ещё раз и введите его"
  check_code "$code"
}

# --- where it runs ---------------------------------------------------------------------------------------------------

docker_answers() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }
bwrap_program() { command -v bwrap || { [ -x "$bundle/native/bwrap" ] && echo "$bundle/native/bwrap"; }; }
newest() { # newest FOLDER PATTERN: the last of what fits
  found=''
  for each in "$1"/$2; do [ -d "$each" ] && found=$each; done
  printf '%s' "$found"
}
release() { # where a prepared release of ЦАМИ stands, for the native runtime
  for each in "$cami" "${CAMI_HOME:-}" /opt/cami; do
    [ -n "$each" ] && [ -d "$each/plugins/cami" ] && { printf '%s' "$each"; return; }
  done
  return 0
}

choose_runtime() {
  case $runtime in
    docker) docker_answers || give_up "Docker не отвечает" "запустите его, или ./install.sh --runtime native" ;;
    native) : ;;
    '')
      if [ -e "$bundle/images/cami-$SUITE.tar" ] && docker_answers; then runtime=docker
      elif [ -e "$bundle/native/root.tar" ] || [ -n "$(release)" ]; then runtime=native
      elif docker_answers; then runtime=docker
      else
        give_up "нет ни Docker, ни подготовленного ЦАМИ" \
          "установите Docker и загрузите образ (docker load), укажите папку ЦАМИ (--cami), или возьмите комплект --offline"
      fi ;;
    *) give_up "неизвестная среда $runtime" "--runtime docker или native" ;;
  esac
}

prepare_docker() {
  if [ -e "$bundle/images/cami-$SUITE.tar" ]; then
    loaded=$(sha256sum "$bundle/images/cami-$SUITE.tar" | cut -c1-64)
    if [ "$(cat "$into/image.loaded" 2>/dev/null || true)" != "$loaded" ]; then
      docker load -q -i "$bundle/images/cami-$SUITE.tar" >/dev/null || give_up "образ не загружен" "проверьте место на диске Docker"
      printf '%s' "$loaded" >"$into/image.loaded"
    fi
  fi
  docker image inspect "$image" >/dev/null 2>&1 ||
    give_up "на этой машине нет образа $image" "docker load -i ОБРАЗ.tar, или возьмите комплект --offline"
}

unpack() { # unpack TAR FOLDER: once; half-unpacked ones never stay
  [ -d "$2" ] && return
  rm -rf "$2.part"
  mkdir -p "$2.part"
  tar -C "$2.part" -xf "$1" || give_up "не распаковано: $1" "проверьте место на диске: нужно 2 ГБ в $into"
  mv "$2.part" "$2"
}

prepare_native() {
  bwrap=$(bwrap_program) || give_up "нет программы bwrap" "apt-get install bubblewrap"
  if [ -e "$bundle/native/root.tar" ]; then
    runtime_folder=$into/runtime/$(sha256sum "$bundle/SHA256SUMS" | cut -c1-12)
    mkdir -p "$runtime_folder"
    for part in root packages plugins ohif; do unpack "$bundle/native/$part.tar" "$runtime_folder/$part"; done
    root=$runtime_folder/root packages=$runtime_folder/packages plugins=$runtime_folder/plugins ohif=$runtime_folder/ohif
  else
    cami=$(release)
    [ -n "$cami" ] || give_up "не найдена папка ЦАМИ" "укажите её: ./install.sh --cami ПАПКА, или возьмите комплект --offline"
    prepared=${CAMI_RUNTIME_DIR:-$cami/.runtime}
    root=$prepared/$SUITE/root plugins=$cami/plugins
    packages=${CAMI_PACKAGES_DIR:-$(newest "$prepared/$SUITE" 'site-packages-*')}
    ohif=$(newest "$prepared/ohif" '*')
    [ -d "$root/usr" ] && [ -d "$packages" ] && [ -d "$ohif" ] ||
      give_up "в $cami не подготовлен Orthanc" "выполните там: SUITE=$SUITE scripts/cami runtime"
  fi
  cat >"$into/native.conf" <<END
CAMI_ROOT='$root'
CAMI_PACKAGES='$packages'
CAMI_PLUGINS='$plugins'
CAMI_OHIF='$ohif'
CAMI_BWRAP='$bwrap'
END
  printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 proxy-%s\n' "$MO" >"$into/hosts"
  cp "$bundle/enter.sh" "$into/enter.sh"
  chmod 0700 "$into/enter.sh"
}

place_files() {
  mkdir -p "$into/data" "$into/config/secrets"
  for file in "$bundle"/config/*; do cp "$file" "$into/config/"; done
  for pair in "HttpPort $http_port" "DicomPort $dicom_port"; do
    # shellcheck disable=SC2086 # two words
    set -- $pair
    case $2 in '' | *[!0-9]*) give_up "порт «$2» – не число" "например, --dicom-port 11112" ;; esac
    sed -i "s/\"$1\": [0-9]*/\"$1\": $2/" "$into/config/orthanc.json"
  done
  cp "$bundle/compose.yaml" "$bundle/about.conf" "$into/"
  # No secret lies here: the key is made in data. A container's own user has to read it.
  chmod 0755 "$into" "$into/config" "$into/config/secrets"
  chmod 0644 "$into"/config/*.*
  cat >"$into/chosen.conf" <<END
CHOSEN_RUNTIME='$runtime'
CHOSEN_HTTP='$http_port'
CHOSEN_DICOM='$dicom_port'
CHOSEN_ADDRESS='$address'
CHOSEN_CAMI='$cami'
CHOSEN_SIGNER='$signer'
END
}

# --- running it ------------------------------------------------------------------------------------------------------

enrolment() { # enrolment COMMAND [--address=IP]
  if [ "$runtime" = docker ]; then
    docker run --rm -i --network host --user 10001:10001 --read-only --tmpfs /tmp --cap-drop ALL \
      --security-opt no-new-privileges=true -v "$into/config:/etc/cami:ro" -v "$name-data:/var/lib/cami" \
      --entrypoint python3 "$image" -m cami.enrolment "$@"
  else
    "$into/enter.sh" python3 -m cami.enrolment "$@"
  fi
}

compose() { CAMI_MO=$MO CAMI_CONFIG=$into/config CAMI_IMAGE=$image docker compose -f "$into/compose.yaml" "$@"; }
has_compose() { docker compose version >/dev/null 2>&1; }
has_systemd() { [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ]; }
pid() { sed -n 's/.*"child-pid": *\([0-9]*\).*/\1/p' "$into/server.json" 2>/dev/null; }
lives() { p=$(pid) && [ -n "$p" ] && kill -0 "$p" 2>/dev/null; }

running() {
  if [ "$runtime" = docker ]; then [ -n "$(docker ps -q --filter "name=^$name" 2>/dev/null)" ]
  elif has_systemd; then systemctl -q is-active "$name"
  else lives; fi
}

start() {
  running && return
  if [ "$runtime" = docker ]; then start_docker
  elif has_systemd; then
    cat >"/etc/systemd/system/$name.service" <<END
[Unit]
Description=PACS Proxy $MO
After=network-online.target
Wants=network-online.target
[Service]
ExecStart=$into/enter.sh python3 -m cami.boot /etc/cami/orthanc.json
Restart=always
RestartSec=5
TimeoutStopSec=60
UMask=0077
[Install]
WantedBy=multi-user.target
END
    systemctl daemon-reload
    systemctl -q enable --now "$name"
  else
    : >"$into/server.json"
    CAMI_INFO=1 setsid "$into/enter.sh" python3 -m cami.boot /etc/cami/orthanc.json \
      8>"$into/server.json" >>"$into/server.log" 2>&1 </dev/null &
  fi
}

start_docker() {
  if has_compose; then compose up -d >/dev/null 2>&1 && return; fi
  docker rm -f "$name" >/dev/null 2>&1 || :
  docker run -d --name "$name" --network host --hostname "proxy-$MO" --add-host "proxy-$MO:127.0.0.1" \
    --user 10001:10001 --read-only --tmpfs /tmp:rw,nosuid,nodev,noexec,mode=1777,size=1g --cap-drop ALL \
    --security-opt no-new-privileges=true --pids-limit 1024 --memory "${CAMI_MEMORY:-2g}" --restart unless-stopped \
    --stop-timeout 60 --log-opt max-size=10m --log-opt max-file=5 \
    -v "$into/config:/etc/cami:ro" -v "$name-data:/var/lib/cami" "$image" >/dev/null
}

stop() {
  running || return 0
  if [ "$runtime" = docker ]; then
    if has_compose; then compose stop >/dev/null 2>&1 || :; fi
    docker stop "$name" >/dev/null 2>&1 || :
  elif has_systemd; then systemctl stop "$name"
  else
    p=$(pid)
    kill "$p"
    for _ in $(seq 1 300); do kill -0 "$p" 2>/dev/null || return 0; sleep 0.2; done
    kill -KILL "$p"
  fi
}

log() {
  if [ "$runtime" = docker ]; then
    if has_compose; then compose logs --tail 200 --no-log-prefix; else docker logs --tail 200 "$name"; fi
  elif has_systemd; then journalctl -u "$name" -n 200 --no-pager
  else tail -n 200 "$into/server.log"; fi
}

port_free() { # port_free N: nobody listens there; asked of the system, no program needed
  hex=$(printf '%04X' "$1")
  ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" {print $2}' | grep -q ":$hex$"
}

wait_healthy() {
  tries=0
  for _ in $(seq 1 240); do
    if ! port_free "$http_port" && enrolment alive </dev/null >/dev/null 2>&1; then return; fi
    tries=$((tries + 1))
    if [ $tries -gt 6 ] && ! running; then
      log | tail -n 5 >&2
      give_up "сервер не запустился" "полный журнал: ./install.sh --log"
    fi
    sleep 0.5
  done
  log | tail -n 5 >&2
  give_up "сервер не отвечает через 2 минуты" "полный журнал: ./install.sh --log"
}

# --- what was asked for ----------------------------------------------------------------------------------------------

work=$(mktemp -d)
trap 'rm -rf "$work"; [ -t 0 ] && stty echo || :' EXIT
trap 'exit 130' INT TERM
began=$(date +%s)

if [ "$action" != install ]; then
  [ -r "$into/chosen.conf" ] || give_up "в $into ничего не установлено" "сначала ./install.sh"
  case $action in
    start) start; wait_healthy; say "✓ работает" ;;
    stop) stop; say "✓ остановлен" ;;
    log) log ;;
    test) enrolment test </dev/null ;;
    card) enrolment card "--address=$address" </dev/null ;;
    status) if running; then say "✓ работает"; else say "✗ не работает"; exit 1; fi ;;
  esac
  exit
fi

say "PACS Proxy $AET, МО $MO ($NAME), версия $VERSION, центр $CENTRAL_URL"
step "1. Комплект"
verify
say "✓ подпись верна, файлы целы"

step "2. Среда"
choose_runtime
mkdir -p "$into" || give_up "папку $into создать нельзя" "укажите другую: --into ПАПКА"
if ! running; then
  for port in "$http_port" "$dicom_port"; do
    port_free "$port" || give_up "порт $port занят другой программой" "укажите другой: --http-port N или --dicom-port N"
  done
fi
place_files
if [ "$runtime" = docker ]; then prepare_docker; else prepare_native; fi
say "✓ $runtime, папка $into"

step "3. Подключение к центру"
if [ -z "$again" ] && joined=$(enrolment join </dev/null 2>&1); then
  say "$joined"
else
  read_code
  printf '%s\n' "$code" | enrolment join || exit 1
fi

step "4. Запуск"
start
wait_healthy
say "✓ сервер отвечает"

step "5. Проверка"
tested=0
enrolment test </dev/null || tested=1

step "6. Аппараты"
enrolment card "--address=$address" </dev/null
say "  подробно: $bundle/ИНСТРУКЦИЯ.html"
if [ "$runtime" = native ] && ! has_systemd; then
  say "! после перезагрузки машины сервер нужно запустить: $bundle/install.sh --into $into --start (например, из crontab, @reboot)"
fi
say ""
say "Заняло $(($(date +%s) - began)) с."
[ $tested = 0 ] || give_up "не всё работает: см. строки с ✗" "исправьте и проверьте снова: ./install.sh --test"
say "✓ готово"
