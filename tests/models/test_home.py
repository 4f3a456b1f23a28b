from pathlib import Path

from mai_cli.models.home import expand_home


def test_a_tilde_is_replaced_where_a_home_is_known(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")

    assert expand_home(Path("~/x")) == Path("/home/me/x")
    assert expand_home(Path("~nobody-here/x")) == Path("~nobody-here/x")
    assert expand_home(Path("x/~")) == Path("x/~")
