"""Caption files of every layout, small, for the tests of `conceptstats.sources`."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conceptstats.sources import Source, find_sources, read_batches

CAPTIONS = ["a red dog", "Ein Hund, schwarz", "", "犬と猫 🐕", 'says "hi"', "x" * 3000]


def compress(data: bytes, codec: str) -> bytes:
    """The data under one of the supported compressions."""
    if codec != ".zst":
        return {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[codec](data)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def write_parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def write_stream(path: Path, table: pa.Table) -> Path:
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return path


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def one_source(path: Path | str, **options: Any) -> Source:
    (source,) = find_sources([str(path)], **options).sources
    return source


def captions_of(source: Source, **options: str) -> list[str | None]:
    batches = read_batches(source, **options)  # type: ignore[arg-type]
    return [text for batch in batches for text in batch.captions.to_pylist()]


def ids_of(source: Source) -> list[object]:
    found: list[object] = []
    for batch in read_batches(source, with_ids=True):
        assert batch.ids is not None and len(batch.ids) == len(batch.captions)
        found += batch.ids.to_pylist()
    return found


def parquet_file(folder: Path) -> Path:
    return write_parquet(folder / "part-00000.parquet", SAMPLE_ID=list(range(6)), TEXT=CAPTIONS)


def arrow_stream(folder: Path) -> Path:
    table = pa.table({"caption": CAPTIONS, "id": list("abcdef")})
    return write_stream(folder / "data-00000-of-00001.arrow", table)


def feather_file(folder: Path) -> Path:
    table = pa.table({"caption": CAPTIONS})
    with pa.ipc.new_file(str(folder / "x.feather"), table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return folder / "x.feather"


def json_lines(folder: Path) -> Path:
    lines = [json.dumps({"url": "u", "text": text, "id": n}) for n, text in enumerate(CAPTIONS)]
    (folder / "x.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    return folder / "x.jsonl"


def plain_text(folder: Path) -> Path:
    (folder / "x.txt").write_text("\n".join(CAPTIONS), encoding="utf-8")
    return folder / "x.txt"


def quoted_csv(folder: Path) -> Path:
    rows = [f'{n},"{text.replace(chr(34), chr(34) * 2)}",u' for n, text in enumerate(CAPTIONS)]
    (folder / "x.csv").write_text("\n".join(["id,prompt,url", *rows]) + "\n", encoding="utf-8")
    return folder / "x.csv"


def cc3m(folder: Path) -> Path:
    rows = "".join(f"{text}\thttps://example.org/{n}.jpg\n" for n, text in enumerate(CAPTIONS))
    (folder / "Train_GCC-training.tsv").write_text(rows, encoding="utf-8")
    return folder / "Train_GCC-training.tsv"


def cc12m(folder: Path) -> Path:
    rows = "".join(f"https://example.org/{n}\t{text}\n" for n, text in enumerate(CAPTIONS))
    (folder / "cc12m.tsv").write_text(rows, encoding="utf-8")
    return folder / "cc12m.tsv"


def headed_tsv(folder: Path) -> Path:
    rows = "".join(f"u\t{text}\t{n}\n" for n, text in enumerate(CAPTIONS))
    (folder / "x.tsv").write_text("url\tTitle\tuid\n" + rows, encoding="utf-8")
    return folder / "x.tsv"


def flickr8k(folder: Path) -> Path:
    rows = "".join(f"{n}_ab.jpg#{n}\t{text}\n" for n, text in enumerate(CAPTIONS))
    (folder / "Flickr8k.token.txt").write_text(rows, encoding="utf-8")
    return folder / "Flickr8k.token.txt"


def flickr30k(folder: Path) -> Path:
    rows = "".join(f"{n}.jpg,{text}\n" for n, text in enumerate(CAPTIONS))
    (folder / "captions.txt").write_text("image,caption\n" + rows, encoding="utf-8")
    return folder / "captions.txt"


def flickr30k_bars(folder: Path) -> Path:
    rows = "".join(f"{n}.jpg| {n}| {text}\n" for n, text in enumerate(CAPTIONS))
    header = "image_name| comment_number| comment\n"
    (folder / "results.csv").write_text(header + rows, encoding="utf-8")
    return folder / "results.csv"


def coco(folder: Path) -> Path:
    annotations = [{"id": 9 - n, "image_id": 1, "caption": text} for n, text in enumerate(CAPTIONS)]
    content = {"images": [{"id": 1}], "annotations": annotations}
    (folder / "captions_val2017.json").write_text(json.dumps(content))
    return folder / "captions_val2017.json"


def tar_of_texts(folder: Path) -> Path:
    members: dict[str, bytes] = {}
    for number, text in enumerate(CAPTIONS):
        members[f"{number:09}.jpg"] = bytes(5000)
        members[f"{number:09}.txt"] = text.encode()
        members[f"{number:09}.json"] = json.dumps({"caption": "not this", "key": 1}).encode()
    return write_tar(folder / "00000.tar", members)


def tar_of_json(folder: Path) -> Path:
    members = {f"a.b/{n}.json": json.dumps({"text": text}) for n, text in enumerate(CAPTIONS)}
    return write_tar(folder / "x.tar", {name: text.encode() for name, text in members.items()})


LAYOUTS: dict[Callable[[Path], Path], tuple[str, str, str | None]] = {
    parquet_file: ("parquet", "TEXT", "SAMPLE_ID"),
    arrow_stream: ("arrow", "caption", "id"),
    feather_file: ("arrow", "caption", None),
    json_lines: ("jsonl", "text", "id"),
    plain_text: ("text", "line", None),
    quoted_csv: ("csv", "prompt", "id"),
    cc3m: ("tsv-no-header", "column 1", None),
    cc12m: ("tsv-no-header", "column 2", None),
    headed_tsv: ("tsv", "Title", "uid"),
    flickr8k: ("flickr8k", "caption", "image"),
    flickr30k: ("flickr30k", "caption", "image"),
    flickr30k_bars: ("flickr30k", "comment", "image_name"),
    coco: ("coco", "caption", "id"),
    tar_of_texts: ("webdataset", "txt", "__key__"),
    tar_of_json: ("webdataset", "text", "__key__"),
}


# Tags of images. Text formats cannot tell a null list from an empty one.
TAGS = [["polar bear", "Dog"], ["ice cream", "sea, sky"], [], None, [" two\nlines ", None, "犬"]]
TAG_SCORES = [[0.9, 0.3], [0.7, 0.69], [], None, [0.8, 0.9, None]]
TAG_TEXTS = ["polar bear, Dog", "ice cream,sea", "", "", "two lines,犬,"]


def tags_parquet(folder: Path) -> Path:
    lists = pa.array(TAGS, pa.list_(pa.string()))
    scores = pa.array(TAG_SCORES, pa.list_(pa.float32()))
    table = {"id": range(5), "tags": lists, "scores": scores, "caption": list("abcde")}
    return write_parquet(folder / "tags.parquet", **table)


def tags_stream(folder: Path) -> Path:
    lists = pa.array(TAGS, pa.large_list(pa.large_string()))
    scores = pa.array(TAG_SCORES, pa.large_list(pa.float64()))
    return write_stream(folder / "tags.arrow", pa.table({"tags": lists, "scores": scores}))


def tags_json_lines(folder: Path) -> Path:
    rows = zip(TAGS, TAG_SCORES, strict=True)
    lines = [json.dumps({"id": str(n), "tags": t, "scores": s}) for n, (t, s) in enumerate(rows)]
    (folder / "tags.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder / "tags.jsonl"


def tags_csv(folder: Path) -> Path:
    rows = "".join(f'{n},"{text}"\n' for n, text in enumerate(TAG_TEXTS))
    (folder / "tags.csv").write_text("id,tags\n" + rows, encoding="utf-8")
    return folder / "tags.csv"


def tags_tsv(folder: Path) -> Path:
    rows = "".join(f"{n}\t{text}\n" for n, text in enumerate(TAG_TEXTS))
    (folder / "tags.tsv").write_text("id\ttags\n" + rows, encoding="utf-8")
    return folder / "tags.tsv"


def tags_text(folder: Path) -> Path:
    (folder / "tags.txt").write_text("\n".join(TAG_TEXTS) + "\n", encoding="utf-8")
    return folder / "tags.txt"
