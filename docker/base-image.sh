#!/bin/sh
# A stand-in for the image debian:<suite>-slim where no image can be pulled: the same minimal Debian, made from the
# distribution's packages with mmdebstrap.
#
#   docker/base-image.sh SUITE             import it into the Docker engine as cami-base:SUITE
#   docker/base-image.sh SUITE FILE.tar    only write its files to FILE.tar (for `docker import`)
#
# CAMI_DEBIAN_MIRROR names another mirror than the usual one.
# Then: docker build --build-arg BASE_IMAGE=cami-base:SUITE …
set -eu

suite=${1:?suite (forky or trixie)}
tar=${2:-}
case $suite in
    forky | trixie) ;;
    *) printf 'base-image: no suite "%s": forky or trixie\n' "$suite" >&2; exit 2 ;;
esac
if ! command -v mmdebstrap >/dev/null; then
    printf 'base-image: mmdebstrap is missing: apt-get install mmdebstrap\n' >&2
    exit 1
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

# mmdebstrap leaves its host's name servers in the tree; an engine writes the ones that hold when a container starts.
# The Release file of a suite in development can be older than its own validity (see docs/adr/0002).
# shellcheck disable=SC2016  # mmdebstrap runs the hook in a shell of its own
mmdebstrap --quiet --variant=minbase --format=tar \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='rm -f "$1/etc/resolv.conf" "$1/etc/hostname"' \
    "$suite" "$folder/base.tar" ${CAMI_DEBIAN_MIRROR:+"$CAMI_DEBIAN_MIRROR"}

if [ -n "$tar" ]; then
    mv "$folder/base.tar" "$tar"
else
    docker import --change 'CMD ["bash"]' "$folder/base.tar" "cami-base:$suite" >/dev/null
    printf 'cami-base:%s\n' "$suite"
fi
