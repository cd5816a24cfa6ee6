"""MR in, CT out, between pynetdicom's own sender and archive."""

from pathlib import Path

from tests.node.support import Archive, Sender, head_series, running


def test_a_series_comes_back_as_ct_of_its_study(tmp_path: Path) -> None:
    slices = head_series("A1")
    with Archive().running() as archive, running(tmp_path / "spool", archive.port) as (node, log):
        assert Sender(node.port).send(slices) == [0] * len(slices)
        log.wait_for("sent to ARCHIVE")
    (made,) = archive.series().values()
    assert len(made) == len(slices)
    print(*log.lines, sep="\n")
