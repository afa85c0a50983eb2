import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kcsim.clustering.options import SCHEMES
from kcsim.clustering.scheme import Clustering, Override
from kcsim.clustering.spec import parse_clustering
from kcsim.errors import InputError

COUNTS = st.integers(1, 2**62)
RATES = st.floats(0, 1, exclude_min=True)
SHAPES = st.sampled_from(["4x1x1", "2x3x3", "1xRxS", "8x1x1x1", "2xCxRxS"])
PATTERNS = st.text("abc019._-/*?[]!=+ éü", min_size=1).filter(lambda text: text == text.strip())
VALUES = {
    "scope": st.sampled_from(["layer", "network"]),
    "codebook_bits": st.integers(1, 64),
    "scale_bits": st.integers(1, 64),
    "offset_bits": st.integers(1, 64),
    "transforms": st.sampled_from([1, 2, 4, 8]),
    "sparse": st.floats(0, 1, exclude_max=True),
    "index": st.sampled_from(["fixed", "entropy"]),
    "codebook_filters": st.integers(1, 64),
    "codebook_channels": st.integers(1, 64),
    "stages": st.integers(1, 16),
    "filter_scale_bits": st.integers(1, 64),
    "positions": st.sampled_from(["all", "relative", "bitmask"]),
    "outliers": st.floats(0, 0.5),
    "dense": st.just("none")
    | st.lists(
        st.sampled_from(["first", "pointwise", "linear", "fc*", "conv[12]", "a.b/c"]), min_size=1
    ).map("+".join),
}


@st.composite
def sizes(draw):
    return {"k": draw(COUNTS)} if draw(st.booleans()) else {"rate": draw(RATES)}


@st.composite
def clusterings(draw):
    kind = SCHEMES[draw(st.sampled_from(sorted(SCHEMES)))]
    own = sorted(kind.settings & VALUES.keys())
    settings = {name: draw(VALUES[name]) for name in draw(st.sets(st.sampled_from(own)))}
    if settings.get("positions") == "relative":
        settings["position_bits"] = draw(st.integers(1, 16))
    if "length" in kind.options:
        settings["length"] = draw(COUNTS)
    if "shape" in kind.options:
        settings["shape"] = draw(SHAPES)
    overrides = []
    for pattern in draw(st.lists(PATTERNS, max_size=3)):
        extra = {"sparse", "transforms"} & kind.options
        chosen = draw(st.sets(st.sampled_from(sorted(extra)))) if extra else ()
        overrides.append(
            Override(pattern, **draw(sizes()), **{name: draw(VALUES[name]) for name in chosen})
        )
    # Settings that are valid each may contradict each other.
    is_sparse = bool(settings.get("sparse")) or settings.get("positions", "all") != "all"
    is_sparse |= any(override.sparse for override in overrides)
    several = [settings.get(name, 1) > 1 for name in ("stages", "transforms")]
    several[1] |= any((override.transforms or 1) > 1 for override in overrides)
    assume(is_sparse + sum(several) < 2)
    divided = {"codebook_filters", "codebook_channels"} & settings.keys()
    assume(not divided or settings.get("scope") != "network")
    return Clustering(kind.name, **draw(sizes()), **settings, overrides=tuple(overrides))


@given(clusterings())
def test_text_of_a_clustering_parses_to_an_equal_one(clustering):
    again = parse_clustering(str(clustering))
    assert again == clustering
    assert str(again) == str(clustering)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kernel:k=256,scope=network", Clustering("kernel", k=256)),
        ("kernel:k=256,scope=layer", Clustering("kernel", k=256, scope="layer")),
        ("scalar:k=16", Clustering("scalar", k=16, dense="none", scope="layer")),
        ("deep_compression:k=16", Clustering("scalar", k=16)),
        ("row:rate=0.05", Clustering("row", rate=0.05, dense="linear")),
        ("deep_kmeans:rate=1", Clustering("row", rate=1.0)),
        (
            "row:k=64,sparse=0.5,index=entropy",
            Clustering("row", k=64, sparse=0.5, index="entropy"),
        ),
        ("son:k=32,transforms=8", Clustering("scaled_kernel", k=32, transforms=8)),
        (
            "linear_representation:k=256,offset_bits=8",
            Clustering("linear_kernel", 256, None, "network", None, 16, 8),
        ),
        ("matsui:rate=0.144", Clustering("kernel", rate=0.144)),
        ("pq:k=128,length=8", Clustering("product", k=128, length=8)),
        (
            " scalar : k = 256 , dense=first+ip2 ; fc* : rate = 1e-3 ",
            Clustering(
                "scalar", k=256, dense="first+ip2", overrides=(Override("fc*", rate=0.001),)
            ),
        ),
    ],
)
def test_spec(text, expected):
    assert parse_clustering(text) == expected


def test_canonical_text_names_the_scheme_and_leaves_defaults_out():
    text = "deep_kmeans:sparse=0,k=64,scope=layer,dense=linear,index=entropy;conv*:k=8"
    assert str(parse_clustering(text)) == "row:k=64,index=entropy;conv*:k=8"


SCHEME_NAMES = "scalar, row, kernel, scaled_kernel, linear_kernel, product, block"
ROW_SETTINGS = (
    "codebook_bits, codebook_channels, codebook_filters, dense, filter_scale_bits, index, k, "
    "outliers, position_bits, positions, rate, ratio, scope, sparse, stages"
)
ROW_OVERRIDES = (
    "codebook_channels, codebook_filters, filter_scale_bits, k, outliers, position_bits, "
    "positions, rate, scheme, sparse, stages"
)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", [f"1: no scheme ''; expected {SCHEME_NAMES}"]),
        ("kernl:k=2", [f"1: no scheme 'kernl'; expected {SCHEME_NAMES}; did you mean 'kernel'?"]),
        ("row", ["1: row has no number of clusters; expected k, rate or ratio"]),
        ("row:k=4,rate=.1", ["9: both k and rate are given; expected one of them"]),
        ("row:k=0", ["5: k is 0; expected a whole number of at least 1"]),
        ("row:k=many", ["5: k is 'many'; expected a whole number of at least 1"]),
        ("row:k=2.5", ["5: k is '2.5'; expected a whole number of at least 1"]),
        ("row:rate=nan", ["5: rate is nan; expected a share above 0 and at most 1"]),
        ("row:rate=5%", ["5: rate is '5%'; expected a share above 0 and at most 1"]),
        ("row:k=4,sparse=1", ["9: sparse is 1.0; expected a share of at least 0 and below 1"]),
        ("row:k=4,k=5", ["9: k is given twice"]),
        ("row:k=4,", ["9: incomplete setting ''; expected name=value"]),
        ("row:k", ["5: incomplete setting 'k'; expected name=value"]),
        (
            "row:k=4,indx=fixed",
            [
                f"9: no setting 'indx'; expected {ROW_SETTINGS}; did you mean 'index'?"
            ],
        ),
        (
            "row:k=4,transforms=8",
            [f"9: row has no setting 'transforms'; expected {ROW_SETTINGS}"],
        ),
        (
            "row:k=4,scope=netwrk",
            ["9: scope is 'netwrk'; expected layer or network; did you mean 'network'?"],
        ),
        ("son:k=4,transforms=3", ["9: transforms is 3; expected 1, 2, 4 or 8"]),
        (
            "row:k=4,dense=none+linear",
            [
                "9: dense is 'none+linear'; expected 'none', or 'first', 'pointwise', 'linear' "
                "and patterns of layer names, joined by '+'"
            ],
        ),
        ("pq:k=4", ["1: product has no length of its sub-vectors; expected length"]),
        ("row:k=4;", ["9: layer pattern is ''; expected a layer's name or pattern without ',', "
                      "';' and ':'",
                      f"9: no settings for ''; expected {ROW_OVERRIDES}"]),
        ("row:k=4; fc6", [f"10: no settings for 'fc6'; expected {ROW_OVERRIDES}"]),
        (
            "row:k=4;fc6:index=entropy",
            [f"13: index cannot differ between layers; expected {ROW_OVERRIDES}"],
        ),
        (
            "row:k=0;fc6:sprase=.1,k=-1",
            [
                "5: k is 0; expected a whole number of at least 1",
                f"13: no setting 'sprase'; expected {ROW_OVERRIDES}; did you mean 'sparse'?",
                "23: k is -1; expected a whole number of at least 1",
            ],
        ),
        (
            "rwo:k=4;fc6:k",
            [
                f"1: no scheme 'rwo'; expected {SCHEME_NAMES}; did you mean 'row'?",
                "13: incomplete setting 'k'; expected name=value",
            ],
        ),
    ],
)  # fmt: skip
def test_mistakes_in_a_spec(text, messages):
    with pytest.raises(InputError) as caught:
        parse_clustering(text)
    assert str(caught.value) == "\n".join(f"--cluster:1:{message}" for message in messages)


def test_mistake_is_shown_with_a_caret():
    with pytest.raises(InputError) as caught:
        parse_clustering("row:k=4,scope=all", file="study.yaml")
    assert caught.value.with_excerpts().splitlines() == [
        "study.yaml:1:9: scope is 'all'; expected layer or network",
        "    row:k=4,scope=all",
        "            ^",
    ]


@given(st.text("rowpq:;,=k5+*dense .", max_size=40))
def test_any_text_parses_or_gives_an_input_error(text):
    try:
        problems = ()
        assert str(parse_clustering(text))
    except InputError as error:
        problems = error.problems
    assert all(problem.mark and problem.mark.column <= len(text) + 1 for problem in problems)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheme": "row"}, "row has no number of clusters; expected k, rate or ratio"),
        ({"scheme": "row", "k": True}, "k is True; expected a whole number of at least 1"),
        (
            {"scheme": "kernel", "k": 4, "scale_bits": 8},
            f"kernel has no setting 'scale_bits'; expected {ROW_SETTINGS}, transforms",
        ),
        (
            {"scheme": "kernel", "k": 4, "overrides": (Override("a", length=2),)},
            f"kernel has no setting 'length'; expected {ROW_OVERRIDES}, transforms",
        ),
    ],
)
def test_mistakes_in_arguments(settings, message):
    with pytest.raises(InputError) as caught:
        Clustering(**settings)
    assert str(caught.value) == message


@pytest.mark.parametrize("pattern", ["", " fc", "a,b", "a;b", "a:b"])
def test_patterns_that_have_no_text_form(pattern):
    with pytest.raises(InputError, match="expected a layer's name or pattern"):
        Override(pattern, k=2)
    if pattern:
        with pytest.raises(InputError, match="and patterns of layer names"):
            Clustering("row", k=2, dense=pattern)


def test_override_needs_a_setting():
    with pytest.raises(InputError, match="no settings for 'fc6'"):
        Override("fc6")
