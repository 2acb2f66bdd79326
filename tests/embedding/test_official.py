import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.official import export_official, import_official
from motion_inversion.error import InputError


def authors_file(path: Path, *, value: bool = True) -> dict[str, torch.Tensor]:
    """A file as the authors' code writes it: five blocks on grids of 2x3, 32 slots."""
    draws = torch.Generator().manual_seed(6)
    blocks = [f"down_blocks.2.temp_attentions.{i}.transformer_blocks.0" for i in range(2)]
    blocks += [f"up_blocks.1.temp_attentions.{i}.transformer_blocks.0" for i in range(3)]
    content: dict[str, torch.Tensor] = {}
    for block in blocks:
        content[f"{block}.pos_embed"] = torch.nn.Parameter(torch.randn(1, 32, 32, generator=draws))
        if value:
            for name in ("attn1", "attn2"):
                content[f"{block}.{name}.vSpatial"] = torch.nn.Parameter(torch.randn(6, 32, 32, generator=draws))
    torch.save(content, path)
    return content


def test_import_takes_the_first_frames_of_every_tensor(deep, sites, tmp_path):
    path = tmp_path / "motion_embed.pt"
    content = authors_file(path)
    embeddings = import_official(path, sites)
    assert embeddings.sites == deep
    tensors = embeddings.tensors()
    assert len(tensors) == len(content) == 15
    for site in deep:
        assert torch.equal(tensors[f"{site.name}.query_key"], content[f"{site.name}.pos_embed"][:, :4])
        for name in ("attn1", "attn2"):
            expected = content[f"{site.name}.{name}.vSpatial"][:, :4]
            assert torch.equal(tensors[f"{site.name}.{name}.value"], expected)


def test_export_writes_the_fifteen_names_padded_with_zeros(embeddings, tmp_path):
    path = tmp_path / "motion_embed.pt"
    export_official(embeddings, path)
    content = torch.load(path, weights_only=True)
    assert content.keys() == authors_file(tmp_path / "other.pt").keys()
    for name, tensor in content.items():
        assert isinstance(tensor, torch.nn.Parameter)
        assert tensor.dtype == torch.float32
        assert tensor.shape == ((1, 32, 32) if name.endswith("pos_embed") else (6, 32, 32))
        assert tensor[:, :4].any() and not tensor[:, 4:].any()


def test_export_then_import_is_the_identity(embeddings, sites, tmp_path):
    export_official(embeddings, tmp_path / "motion_embed.pt")
    back = import_official(tmp_path / "motion_embed.pt", sites)
    assert back.sites == embeddings.sites
    expected = embeddings.tensors()
    assert back.tensors().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in back.tensors().items())


def test_coarse_and_static_values_are_exported_in_full(deep, sites, tmp_path):
    site = deep[0]
    held = {
        f"{site.name}.{name}.value": torch.tensor([[[float(number)] * 32]])
        for number, name in ((1, "attn1"), (2, "attn2"))
    }
    embeddings = MotionEmbeddings([site], held, {site.name: (1, 1)})
    export_official(embeddings, tmp_path / "motion_embed.pt")
    back = import_official(tmp_path / "motion_embed.pt", sites)
    for name in site.attentions:
        own, theirs = embeddings.value(site, name), back.value(site, name)
        assert own is not None and theirs is not None
        assert torch.equal(theirs, own) and theirs.shape == (6, 4, 32)


def test_a_file_of_the_first_version_gives_query_keys_and_a_warning(deep, sites, tmp_path, caplog):
    authors_file(tmp_path / "v1.pt", value=False)
    with caplog.at_level(logging.WARNING):
        embeddings = import_official(tmp_path / "v1.pt", sites)
    assert "query-key embeddings only" in caplog.text
    assert len(embeddings.tensors()) == 5
    assert not any(embeddings.has_value(site) for site in deep)


def test_more_than_32_frames_are_refused_both_ways(sites, tmp_path):
    path = tmp_path / "motion_embed.pt"
    authors_file(path)
    longer = [replace(site, frames=33) for site in sites]
    with pytest.raises(InputError, match=r"room for 32 frames, given are 33: model\.frames=32"):
        import_official(path, longer)
    with pytest.raises(InputError, match=r"room for 32 frames, given are 33: model\.frames=32"):
        export_official(MotionEmbeddings.zeros(longer, query_key=True, value=False), tmp_path / "new.pt")
    assert not (tmp_path / "new.pt").exists()
    exactly = [replace(site, frames=32) for site in sites]
    assert import_official(path, exactly).sites[0].frames == 32


def test_another_number_of_positions_is_refused(sites, tmp_path):
    # 12 positions are a multiple of the 6 in the file: tiling them would scramble the positions in silence.
    authors_file(tmp_path / "motion_embed.pt")
    with pytest.raises(InputError, match=r"shape \(6, 32, 32\), accepted is \(12, 32, 32\) for a grid of 4x3"):
        import_official(tmp_path / "motion_embed.pt", [replace(site, grid=(4, 3)) for site in sites])


def test_another_model_is_refused(sites, tmp_path):
    path = tmp_path / "motion_embed.pt"
    authors_file(path)
    with pytest.raises(InputError, match=r"has down_blocks\.2\S+, which the model lacks; it has .*model="):
        import_official(path, [site for site in sites if site.section == "up"])
    with pytest.raises(InputError, match=r"shape \(1, 32, 32\), accepted is \(1, 32, 64\)"):
        import_official(path, [replace(site, channels=64) for site in sites])


class Command:
    """Stands for what a hostile pickle does when it is opened."""

    def __reduce__(self):
        return (print, ("opened",))


@pytest.mark.parametrize(
    "content",
    [None, {}, [torch.zeros(1)], {"step": 3}, {"weight": torch.zeros(1, 32, 4)}, {"a.pos_embed": Command()}],
)
def test_a_foreign_file_is_refused(sites, tmp_path, capsys, content):
    path = tmp_path / "motion_embed.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match=r"give the motion_embed\.pt"):
        import_official(path, sites)
    assert "opened" not in capsys.readouterr().out


def test_a_missing_or_broken_file_is_refused(sites, tmp_path):
    with pytest.raises(InputError, match=r"cannot be read|is no \.pt file"):
        import_official(tmp_path / "none.pt", sites)
    (tmp_path / "broken.pt").write_bytes(b"no pickle")
    with pytest.raises(InputError, match=r"cannot be read|is no \.pt file"):
        import_official(tmp_path / "broken.pt", sites)
