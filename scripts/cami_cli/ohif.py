"""OHIF, the viewer: fetched as its makers built it, put under ``/ohif/``, in Russian, compressed in advance.

``prepare`` makes one folder that `cami.portal.viewer` serves: ``index.html``, ``build.json`` (which version, the
address of the assets, which of them are workers) and ``assets/``. The folder's name holds a digest of all that it is
made of, so that a changed recipe makes a new folder and, since the digest stands in the assets' address, no browser
keeps an old copy.
"""

import gzip
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli

from cami_cli import npm, ohif_recipe
from cami_cli.errors import Trouble
from cami_cli.progress import Progress, human_size, size_of

PACKAGE = npm.Pinned(
    "@ohif/app",
    ohif_recipe.VERSION,
    "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==",
)

#: The published build is not minified; esbuild takes the main script from 17 to 8 MB. By machine, as Python names it.
MINIFIERS = {
    "x86_64": npm.Pinned(
        "@esbuild/linux-x64",
        "0.28.2",
        "sha512-4xTZr1FUmSoQW4XIWmit3tzQrUTZM+N3P0XV8xROKYF50XfI7xeO90+1bZvNwxIufQ9hDQVRJH5YhgPVF8A/HQ==",
    ),
    "aarch64": npm.Pinned(
        "@esbuild/linux-arm64",
        "0.28.2",
        "sha512-pW4AC0P3it8c7do9MVM4p51FzHzdM/TZrerurgRcHJ2WTa1VQ1CIq18xncfpBJw4ojkiZZrKW2yIBWBP92j6Ug==",
    ),
}

#: Formats that are worth compressing; images and fonts are compressed already.
COMPRESSED = frozenset({".css", ".html", ".js", ".json", ".svg", ".wasm"})

#: 9 of 11: the last two steps make the main script 10 % smaller and take sixteen times as long.
BROTLI_QUALITY = 9


def prepare(runtime_dir: Path, steps: Progress) -> Path:
    """Return the folder with the viewer, made first if it is not there. Without a network if it was made before.

    Raises
    ------
    Trouble
        A package cannot be fetched or is not the pinned one, or OHIF is not as the recipe expects.
    """
    minifier = MINIFIERS.get(platform.machine())
    identity = recipe_hash(minifier)
    home = runtime_dir / "ohif"
    target = home / f"{ohif_recipe.VERSION}-{identity}"
    if (target / "build.json").is_file():
        return target
    archive, packer = _fetch(runtime_dir, minifier, steps)
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".making-") as scratch:
        folder = Path(scratch, "ohif")
        base = f"/ohif/build-{identity}/"
        with steps.step("OHIF: unpack, move to /ohif/, Russian") as step:
            _unpack(archive, folder / "assets")
            workers = _change(folder, base)
            step.show(human_size(size_of(folder)))
        _minify(folder / "assets", packer, steps)
        with steps.step("OHIF: compress in advance") as step:
            compress(folder)
            step.show(human_size(sum(file.stat().st_size for file in folder.rglob("*.br"))) + " to send")
        build = {"version": ohif_recipe.VERSION, "recipe": identity, "base": base, "workers": workers}
        (folder / "build.json").write_text(json.dumps(build), "utf-8")
        _publish(folder, target)
    return target


def recipe_hash(minifier: npm.Pinned | None) -> str:
    """Return a digest of all that the result depends on."""
    digest = hashlib.sha256()
    for package in (PACKAGE, minifier):
        digest.update((package.integrity if package else "not minified").encode())
    for source in (Path(__file__), Path(ohif_recipe.__file__), Path(__file__).with_name("ohif_ru.json")):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _fetch(runtime_dir: Path, minifier: npm.Pinned | None, steps: Progress) -> tuple[Path, Path | None]:
    """Fetch what is needed; the minifier's archive is None where there is none for this machine."""
    cache = runtime_dir / "npm"
    with steps.step(f"OHIF {ohif_recipe.VERSION}: fetch") as step:
        archive = npm.fetch(PACKAGE, cache)
        step.show(human_size(archive.stat().st_size))
    if minifier is None:
        steps.note(f"OHIF is not minified: no esbuild is pinned for {platform.machine()}; it loads slower")
        return archive, None
    with steps.step(f"esbuild {minifier.version}: fetch"):
        return archive, npm.fetch(minifier, cache)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack what is kept of the build, and its licence; upstream's index page too, until ours is made."""
    prefix = "package/dist/"
    with tarfile.open(archive) as package:
        for member in package:
            name = member.name.removeprefix(prefix) if member.name.startswith(prefix) else ""
            wanted = name == "index.html" or (name and ohif_recipe.kept(name))
            if member.isfile() and (wanted or member.name == "package/LICENSE"):
                _write(package, member, folder / (name or "LICENSE.txt"), within=folder)


def _write(package: tarfile.TarFile, member: tarfile.TarInfo, target: Path, *, within: Path) -> None:
    """Write one plain file of an archive; the extraction filters of tarfile are newer than Debian 12's Python."""
    content = package.extractfile(member)
    if content is None or not target.resolve().is_relative_to(within.resolve()):
        raise Trouble(f"{target.name} in the package is not a plain file of it", "remove .runtime/npm and try again")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def _change(folder: Path, base: str) -> list[str]:
    """Apply the recipe to the unpacked build; return the scripts of its workers."""
    assets = folder / "assets"
    dictionary = ohif_recipe.read_dictionary()
    patches = [*ohif_recipe.RELOCATION, *ohif_recipe.RUSSIAN, *ohif_recipe.literal_patches(dictionary)]
    ohif_recipe.apply(patches, assets, base)
    upstream = assets / "index.html"
    (folder / "index.html").write_text(ohif_recipe.index_page(upstream.read_text("utf-8"), base), "utf-8")
    upstream.unlink()
    (assets / "cami-start.js").write_text(ohif_recipe.start_script(dictionary), "utf-8")
    return ohif_recipe.worker_scripts(assets)


def _minify(assets: Path, packer: Path | None, steps: Progress) -> None:
    """Minify each script in place; licence comments stay."""
    if packer is None:
        return
    with steps.step("OHIF: minify") as step, tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(packer) as package:
            program = Path(scratch, "esbuild")
            _write(package, package.getmember("package/bin/esbuild"), program, within=Path(scratch))
        program.chmod(0o755)
        scripts = sorted(assets.glob("*.js"))
        before = sum(script.stat().st_size for script in scripts)
        argv = [str(program), *map(str, scripts), "--minify", "--charset=utf8", "--log-level=error"]
        argv += ["--allow-overwrite", f"--outdir={assets}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise Trouble(f"esbuild failed: {done.stderr.strip()[:300]}", "the recipe may have broken a script")
        step.show(f"{human_size(before)} → {human_size(sum(script.stat().st_size for script in scripts))}")


def compress(folder: Path) -> None:
    """Put a ``.br`` and a ``.gz`` beside each file that is worth it; reproducible, so without a time stamp."""
    files = [file for file in folder.rglob("*") if file.suffix in COMPRESSED and file.stat().st_size >= 1024]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        _drain(pool.map(_compress_one, files))


def _compress_one(file: Path) -> None:
    plain = file.read_bytes()
    file.with_name(file.name + ".br").write_bytes(brotli.compress(plain, quality=BROTLI_QUALITY))
    file.with_name(file.name + ".gz").write_bytes(gzip.compress(plain, 9, mtime=0))


def _drain(results: Iterable[None]) -> None:
    """Wait for every result, so that an error of one is raised."""
    for _ in results:
        pass


def _publish(folder: Path, target: Path) -> None:
    """Move the finished folder to its place at once; another process may have been quicker."""
    try:
        folder.rename(target)
    except OSError:
        if not (target / "build.json").is_file():
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)
