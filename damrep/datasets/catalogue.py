"""The entries of the registry. Digests are sha256 of the files every number was measured with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from damrep.datasets import embedded, readers
from damrep.datasets.download import Recipe
from damrep.datasets.planetoid import read_planetoid
from damrep.graph.data.graph import Graph

__all__ = ["ENTRIES", "Dataset"]


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """One data set that can be asked for by name.

    Attributes
    ----------
    name : str
    summary, source, licence : str
        What it is, where it is from, and on what terms.
    read : callable
        Makes the graph, or the ratings, out of the folder of its files.
    folder : str, or None
        Where its files lie under a data root; None if it needs none.
    files : mapping
        File names and their sha256, None where it is not known.
    recipe : Recipe, or None
        How torch-geometric downloads it; None if it cannot.
    kind : {"graph", "ratings"}
    """

    name: str
    summary: str
    source: str
    licence: str
    read: Callable[[Path], Any]
    folder: str | None = None
    files: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    recipe: Recipe | None = None
    kind: str = "graph"


def _planetoid(title: str, summary: str, digests: Mapping[str, str]) -> Dataset:
    name = title.lower()
    return Dataset(
        name,
        summary,
        "https://github.com/kimiyoung/planetoid",
        "MIT (planetoid); data by LINQS",
        lambda folder: read_planetoid(folder, name),
        f"planetoid/{title}/raw",
        {f"ind.{name}.{part}": digest for part, digest in digests.items()},
        Recipe("Planetoid", title),
    )


def _one_file(
    name: str,
    summary: str,
    source: str,
    licence: str,
    read: Callable[[Path, str], Graph],
    place: str,
    digest: str | None,
    recipe: Recipe | None = None,
) -> Dataset:
    folder, _, file = place.rpartition("/")
    return Dataset(
        name,
        summary,
        source,
        licence,
        lambda root: read(root / file, name),
        folder,
        {file: digest},
        recipe,
    )


_GNN_BENCHMARK = "https://github.com/shchur/gnn-benchmark"
_HETEROPHILOUS = "https://github.com/yandex-research/heterophilous-graphs"
_LINKX = "https://github.com/CUAI/Non-Homophily-Large-Scale"

ENTRIES = (
    Dataset(
        "karate",
        "34 members of a karate club, 78 friendships",
        "networkx; Zachary (1977)",
        "public domain",
        lambda _: embedded.karate(),
    ),
    Dataset(
        "digits",
        "nearest neighbours among 1,797 images of 8 x 8 pixels",
        "scikit-learn; Alpaydin and Kaynak (1998), UCI",
        "CC BY 4.0",
        lambda _: embedded.digits(),
    ),
    _planetoid(
        "Cora",
        "2,708 papers, 5,278 citations, 1,433 words",
        {
            "x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
            "tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
            "allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
            "y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
            "ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
            "ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
            "graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
            "test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
        },
    ),
    _planetoid(
        "CiteSeer",
        "3,327 papers, 4,552 citations, 3,703 words",
        {
            "x": "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
            "tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
            "allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
            "y": "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
            "ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
            "ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
            "graph": "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
            "test.index": "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
        },
    ),
    _planetoid(
        "PubMed",
        "19,717 papers, 44,324 citations, 500 TF-IDF words",
        {
            "x": "fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33",
            "tx": "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d",
            "allx": "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e",
            "y": "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3",
            "ty": "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd",
            "ally": "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
            "graph": "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
            "test.index": "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5",
        },
    ),
    _one_file(
        "amazon-computers",
        "13,752 products, 245,861 bought together, 767 words",
        _GNN_BENCHMARK,
        "MIT",
        readers.read_gnn_benchmark,
        "amazon/Computers/raw/amazon_electronics_computers.npz",
        "e3a78127c122ce4a6a1bd6effb2112ec2b0ad1f795f5bd98bee206772777ca5e",
        Recipe("Amazon", "Computers"),
    ),
    _one_file(
        "amazon-photo",
        "7,650 products bought together, 745 words",
        _GNN_BENCHMARK,
        "MIT",
        readers.read_gnn_benchmark,
        "amazon/Photo/raw/amazon_electronics_photo.npz",
        None,
        Recipe("Amazon", "Photo"),
    ),
    _one_file(
        "coauthor-cs",
        "18,333 authors, joint papers, 6,805 keywords",
        _GNN_BENCHMARK,
        "MIT",
        readers.read_gnn_benchmark,
        "coauthor/CS/raw/ms_academic_cs.npz",
        None,
        Recipe("Coauthor", "CS"),
    ),
    _one_file(
        "coauthor-physics",
        "34,493 authors, 247,962 joint papers, 8,415 keywords",
        _GNN_BENCHMARK,
        "MIT",
        readers.read_gnn_benchmark,
        "coauthor/Physics/raw/ms_academic_phy.npz",
        "29cc4246263e362ccbddf04c31031a4b09fa91a1ee47786491023b0400f8506c",
        Recipe("Coauthor", "Physics"),
    ),
    _one_file(
        "facebook-pages",
        "22,470 pages, 170,823 mutual likes, 4,714 words",
        "https://github.com/benedekrozemberczki/MUSAE",
        "GPL-3.0",
        readers.read_edges_npz,
        "facebook_pages/facebook_pages.npz",
        "b772a596ca1d6ab174c72c2039aa3f287c01677717513c26559d488cb23d0954",
    ),
    _one_file(
        "blogcatalog",
        "10,312 bloggers, 333,983 friendships, 39 groups, no features",
        "ASU Social Computing Repository",
        "not stated",
        readers.read_edges_npz,
        "blogcatalog/blogcatalog.npz",
        "e3ab13973cc5ec1782776fd9e54cb939381a164f705f2ad269a9e093e6b5d776",
    ),
    _one_file(
        "minesweeper",
        "a 100 x 100 board, 39,402 edges, 7 features, 10 splits",
        _HETEROPHILOUS,
        "MIT",
        readers.read_edges_npz,
        "heterophilous/minesweeper/raw/minesweeper.npz",
        "e664c8dacf1e8ac466c2c09ed4b237bd2c5541f47a6eae9c6092cb87f16412b3",
        Recipe("HeterophilousGraphDataset", "Minesweeper"),
    ),
    _one_file(
        "chameleon-filtered",
        "890 Wikipedia pages, 8,854 links, 2,325 nouns, 10 splits",
        _HETEROPHILOUS,
        "MIT",
        readers.read_edges_npz,
        "heterophilous/chameleon_filtered/raw/chameleon_filtered.npz",
        "bf46f07e1fb5249280447e5fe3100f3e82fc4b93ad1e13ffcfdec924b6ac0bb5",
    ),
    _one_file(
        "squirrel-filtered",
        "2,223 Wikipedia pages, 46,998 links, 2,089 nouns, 10 splits",
        _HETEROPHILOUS,
        "MIT",
        readers.read_edges_npz,
        "heterophilous/squirrel_filtered/raw/squirrel_filtered.npz",
        "f06370ffb3116c5de8b7a600005400b2293c025e0ce2f6916d8201a825505ac7",
    ),
    _one_file(
        "reed98",
        "962 students, 18,812 friendships",
        _LINKX,
        "not stated; Traud, Mucha and Porter (2012)",
        readers.read_facebook100,
        "facebook100/reed98/raw/data.mat",
        "d12ec74dc8c6e237385975b976c3709555a83629a1260be693fb688e3446070e",
        Recipe("LINKXDataset", "reed98"),
    ),
    _one_file(
        "amherst41",
        "2,235 students, 90,954 friendships",
        _LINKX,
        "not stated; Traud, Mucha and Porter (2012)",
        readers.read_facebook100,
        "facebook100/amherst41/raw/data.mat",
        "3108e4b2edb01be05c5a61147583a40e61012820fff7eebe621dd26018caaf00",
        Recipe("LINKXDataset", "amherst41"),
    ),
    _one_file(
        "johnshopkins55",
        "5,180 students, 186,586 friendships",
        _LINKX,
        "not stated; Traud, Mucha and Porter (2012)",
        readers.read_facebook100,
        "facebook100/johnshopkins55/raw/data.mat",
        "fc7243bf257155df03afbc397ab34b5f8eb8e75f40cd1603398e207a033ef50f",
        Recipe("LINKXDataset", "johnshopkins55"),
    ),
    _one_file(
        "osm-roads",
        "1,094,325 crossings of five cities, 1,238,098 roads",
        "https://github.com/anvaka/ngraph.path.demo",
        "data (c) OpenStreetMap contributors, ODbL",
        readers.read_osm_roads,
        "osm_roads5/osm_roads5.npz",
        "632447a8bab4035a3ce54ad06fa46217b182d272e77e4d4b0e09e73d3c0d2e4f",
    ),
    _one_file(
        "cnr-2000",
        "325,557 web pages, 3,216,152 links (directed)",
        "Laboratory for Web Algorithmics, University of Milan",
        "Apache-2.0 / LGPL-2.1 (webgraph-rs)",
        readers.read_cnr,
        "cnr2000/cnr2000.npz",
        "5a1db23cfe38c076c79912f83d3fb5a5ff848512a0903a7fe3b5afe073cf1dad",
    ),
)
