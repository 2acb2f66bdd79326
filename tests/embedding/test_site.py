"""Sites in the words of messages."""

from motion_inversion.embedding.site import Site, summary


def test_the_sites_of_a_unet_are_summed_up_by_section_and_level(sites):
    assert summary(sites) == (
        "down.0@16 (8x12), down.1@16 (4x6), down.2@32 (2x3), mid.3@32 (1x2), "
        "up.2@32 (2x3), up.1@16 (4x6), up.0@16 (8x12) of 4 frames"
    )


def test_blocks_that_are_alike_are_a_range():
    double = [Site(f"double.{index}", "double", index, 64, (4, 6), 3, ("attn",), 0) for index in range(20)]
    single = [Site(f"single.{index}", "single", index, 64, (4, 6), 3, ("attn",), 7) for index in range(40)]
    assert summary([*double, *single]) == "double.0-19@64 (4x6), single.0-39@64 (4x6) of 3 frames"


def test_blocks_with_gaps_between_them_are_no_range():
    blocks = [Site(f"{index}", "block", index, 64, (4, 6), 3, ("attn",), 0) for index in (0, 5, 10, 11)]
    assert summary(blocks) == "block.0@64 (4x6), block.5@64 (4x6), block.10-11@64 (4x6) of 3 frames"


def test_no_sites_are_said():
    assert summary(()) == "no block that attends over frames"


def test_positions_and_tokens_are_counted():
    site = Site("a", "block", 0, 8, (4, 6), 3, ("attn",), 0)
    assert (site.positions, site.tokens) == (24, 72)
