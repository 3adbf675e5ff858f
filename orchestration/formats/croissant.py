"""Croissant 1.0 metadata (JSON-LD) of a version: its files with checksums, its columns with types, its splits.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html. Written as plain JSON: `mlcroissant` would bring rdflib,
networkx, pandas and scipy along, 130 MB, to say the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from duckdb.sqltypes import DuckDBPyType

from orchestration.formats.column_types import croissant, element_of, fields_of

FILE_NAME = "croissant.json"
_FILES, _SPLITS, _RECORDS = "parquet-files", "splits", "default"
# The standard's own context; a reader compares it.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant_metadata(
    *,
    name: str,
    description: str,
    license: str,
    version: str,
    date: str,
    columns: Mapping[str, str],
    types: Mapping[str, DuckDBPyType],
    splits: Sequence[str],
    files: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    limits: Sequence[str] = (),
) -> dict[str, Any]:
    """The content of croissant.json. `columns` is name to meaning, `files` are the manifest's, `date` the partition."""
    parquet = [file for file in files if file["path"].startswith("data/")]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "citeAs": f"{name}, version {version}",
        "license": license,
        "version": version,
        "datePublished": date,
        **({"rai:dataLimitations": list(limits)} if limits else {}),
        "distribution": [
            *(
                {
                    "@type": "cr:FileObject",
                    "@id": file["path"],
                    "name": file["path"],
                    "contentUrl": file["path"],
                    "contentSize": f"{file['bytes']} B",
                    "encodingFormat": "application/x-parquet",
                    "sha256": file["sha256"],
                }
                for file in parquet
            ),
            {
                "@type": "cr:FileSet",
                "@id": _FILES,
                "name": _FILES,
                "description": "The rows of all splits.",
                "encodingFormat": "application/x-parquet",
                "includes": "data/*.parquet",
            },
        ],
        "recordSet": [_splits(splits), _records(columns, types, splits, key)],
    }


def _splits(splits: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": _SPLITS,
        "name": _SPLITS,
        "description": "The splits.",
        "dataType": "cr:Split",
        "key": {"@id": f"{_SPLITS}/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"{_SPLITS}/name", "name": "name", "dataType": "sc:Text"},
        ],
        "data": [{f"{_SPLITS}/name": split} for split in splits],
    }


def _records(
    columns: Mapping[str, str], types: Mapping[str, DuckDBPyType], splits: Sequence[str], key: Sequence[str]
) -> dict[str, Any]:
    # A column may be named split, too.
    split_id = f"{_RECORDS}/split" if "split" not in types else f"{_RECORDS}/split_of_file"
    split = {
        "@type": "cr:Field",
        "@id": split_id,
        "name": split_id.removeprefix(f"{_RECORDS}/"),
        "description": "The split that the row is in.",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": _FILES},
            "extract": {"fileProperty": "fullpath"},
            # Readers match once more what they have joined with the splits: the name alone.
            "transform": {"regex": f"^(?:data/)?({'|'.join(splits)})(?:-.+[.]parquet)?$"},
        },
        "references": {"field": {"@id": f"{_SPLITS}/name"}},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": _RECORDS,
        "name": _RECORDS,
        "description": "The rows; columns of Parquet.",
        "key": [{"@id": f"{_RECORDS}/{column}"} for column in key],
        "field": [split, *(_field(column, kind, columns.get(column, "")) for column, kind in types.items())],
    }


def _field(column: str, kind: DuckDBPyType, meaning: str) -> dict[str, Any]:
    return _node(f"{_RECORDS}/{column}", column, kind, column, ()) | ({"description": meaning} if meaning else {})


def _node(node_id: str, name: str, kind: DuckDBPyType, column: str, path: tuple[str, ...]) -> dict[str, Any]:
    """A column, or a part of a nested one: `path` is where in its JSON."""
    node: dict[str, Any] = {"@type": "cr:Field", "@id": node_id, "name": name}
    inner = kind
    while element := element_of(inner):  # 1.0 knows that a field repeats, and not how deep
        inner, node["repeated"] = element, True
    if fields := fields_of(inner):
        parts = [_node(f"{node_id}/{field}", field, of, column, (*path, field)) for field, of in fields.items()]
        return node | {"subField": parts}
    source: dict[str, Any] = {"fileSet": {"@id": _FILES}, "extract": {"column": column}}
    if path:
        source["transform"] = {"jsonPath": ".".join(path)}
    return node | {"dataType": croissant(inner), "source": source}
