"""A small registry for tests of the command line."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from cami.people import passwords
from cami.region import load_region

REGISTRY = """\
name: Регион для проверки
time_zone: Asia/Novokuznetsk
centre: {name: Центральный архив, aet: CAMI, oid: 1.2.643.5.1.13.13.12.2.42.9999}
organizations:
  - code: "42001"
    oid: 1.2.643.5.1.13.13.12.2.42.9901
    full_name: Больница первая
    short_name: Б1
    proxy: {aet: PROXY42001, link: {mbit_s: 2}}
    devices:
      - {aet: CT42001, name: Томограф, modality: CT, address: 127.0.0.1}
      - {aet: MR42001, name: Томограф, modality: MR, address: 127.0.0.1}
  - code: "42900"
    oid: 1.2.643.5.1.13.13.12.2.42.9900
    full_name: Центр без прокси
    short_name: Центр
accounts:
  - {login: rad.42001, name: Врач, role: radiologist, mo: "42001"}
  - {login: operator, name: Оператор, role: operator}
"""


@pytest.fixture
def registry(tmp_path) -> Path:
    file = tmp_path / "region.yaml"
    file.write_text(REGISTRY, encoding="utf-8")
    return file


@pytest.fixture
def region(registry):
    return load_region(registry)


@pytest.fixture
def quick_hashes(monkeypatch):
    """Hash with argon2id as ever, but with next to no memory and time."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "hash_password", passwords.Passwords(hasher).hash)
