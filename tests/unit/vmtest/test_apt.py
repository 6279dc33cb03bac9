"""The machine's apt sources, in every form that apt reads them."""

import pytest

from vmtest.apt import Source, choose_mirror, installed_sources, parse_sources, sources_text
from vmtest.host import HarnessError

DEB822 = """\
Types: deb
# http://snapshot.example/archive/debian/20250520T000000Z
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/some.gpg

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
"""


def test_deb822_skips_comments_disabled_and_source_stanzas():
    assert parse_sources(DEB822, deb822=True) == [
        Source(
            "http://mirror.example/debian",
            ("bookworm", "bookworm-updates"),
            ("main", "contrib"),
            "/usr/share/keyrings/some.gpg",
        )
    ]


def test_deb822_embedded_key_is_carried_over_to_the_private_root():
    text = (
        "Types: deb\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n"
    )
    (source,) = parse_sources(text, deb822=True)
    written = sources_text(source, ["sid"], "amd64")
    assert written.endswith("Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n")
    assert "Suites: sid\n" in written


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "deb http://m.example/debian bookworm main contrib # note",
            [Source("http://m.example/debian", ("bookworm",), ("main", "contrib"))],
        ),
        (
            "deb [arch=amd64 signed-by=/k.gpg] https://m.example/debian trixie main",
            [Source("https://m.example/debian", ("trixie",), ("main",), "/k.gpg")],
        ),
        ("# deb http://m.example/debian bookworm main", []),
        ("deb-src http://m.example/debian bookworm main", []),
        ("", []),
    ],
)
def test_one_line_form(line, expected):
    assert parse_sources(line, deb822=False) == expected


def test_mirror_is_the_main_archive_not_security_nor_a_third_party():
    security = Source("http://m.example/debian-security", ("bookworm-security",), ("main",))
    other = Source("https://vendor.example/apt", ("cloud-sdk-bookworm",), ("main",))
    main = Source("http://m.example/debian", ("bookworm", "bookworm-updates"), ("main",))
    assert choose_mirror([security, other, main]) is main


def test_no_mirror_says_how_to_give_a_kernel():
    with pytest.raises(HarnessError, match="--kernel PATH"):
        choose_mirror([Source("http://ubuntu.example", ("noble",), ("main",))])


def test_installed_sources_reads_only_the_names_that_apt_reads(tmp_path):
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (tmp_path / "sources.list").write_text("deb http://one.example/debian sid main\n")
    (folder / "two.sources").write_text(DEB822)
    (folder / "three.list.disabled").write_text("deb http://three.example/debian sid main\n")
    found = [source.uri for source in installed_sources(tmp_path)]
    assert found == ["http://one.example/debian", "http://mirror.example/debian"]
