"""Random numbers: reproducible, fresh in every call of every mode, and spread as said."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ArgumentError
from minigrad.ops.randomness import random_uniform, words

MASK = 2**64 - 1


def philox(key, counter):
    """Philox 4x64-10 as in Random123: one block of four words."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c0, 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * c2, 2**64)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return [c0, c1, c2, c3]


KNOWN = [  # Random123's known answers, kat_vectors: philox4x64 10
    ([0, 0], [0, 0, 0, 0],
     "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
    ([MASK] * 2, [MASK] * 4,
     "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "counter", "answer"), KNOWN)
def test_the_generator_written_out_here_gives_the_known_answers(key, counter, answer):
    assert [f"{word:016x}" for word in philox(key, counter)] == answer.split()


@pytest.mark.parametrize(("seed", "counter"), [(0, 0), (7, 5), (-3, 2**40)])
def test_words_are_those_of_philox_from_the_next_counter_on(seed, counter):
    got = words(np.array([seed, counter]), 10).tolist()
    blocks = [philox([seed & MASK, 0], [counter + i, 0, 0, 0]) for i in (1, 2, 3)]
    assert got == [word for block in blocks for word in block][:10]


def test_uniforms_are_the_leading_bits_of_the_words():
    state = np.array([7, 5])
    drawn = words(state, 6)
    for dtype, digits in (("float16", 11), ("float32", 24), ("float64", 53)):
        got = random_uniform.fn(state, shape=(2, 3), dtype=np.dtype(dtype))
        expected = [(int(word) >> (64 - digits)) / 2**digits for word in drawn]
        assert got.dtype == dtype
        assert got.ravel().tolist() == expected


def test_integers_are_remainders_of_the_words():
    stream = mg.Generator().manual_seed(7)
    drawn = [int(word) for word in words(np.array([7, 0]), 5)]
    assert mg.randint(-3, 90, (5,), generator=stream).tolist() == [
        word % 93 - 3 for word in drawn
    ]


# --- streams -----------------------------------------------------------------------------

DRAWS = {
    "rand": lambda g: mg.rand(5, generator=g),
    "rand float64": lambda g: mg.rand(5, dtype=mg.float64, generator=g),
    "randn": lambda g: mg.randn(5, generator=g),
    "randint": lambda g: mg.randint(2, 1000, (5,), generator=g),
    "randperm": lambda g: mg.randperm(30, generator=g),
    "rand_like": lambda g: mg.rand_like(mg.ones(5), generator=g),
    "randn_like": lambda g: mg.randn_like(mg.ones(5), generator=g),
    "normal": lambda g: mg.normal(mg.arange(5).float(), 2.0, generator=g),
    "normal of a size": lambda g: mg.normal(1, 2, (5,), generator=g),
    "bernoulli": lambda g: mg.bernoulli(mg.full((40,), 0.5), generator=g),
    "multinomial": lambda g: mg.multinomial(mg.ones(40), 20, generator=g),
    "multinomial again and again": lambda g: mg.multinomial(
        mg.ones(3, 9), 20, True, generator=g
    ),
    "uniform_": lambda g: mg.zeros(5).uniform_(-1, 1, generator=g),
    "normal_": lambda g: mg.zeros(5).normal_(1, 2, generator=g),
    "bernoulli_": lambda g: mg.zeros(40).bernoulli_(0.5, generator=g),
    "random_": lambda g: mg.zeros(5).random_(generator=g),
}
draws = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def same(a, b):
    return mg.equal(a, b)


@draws
def test_a_seed_brings_the_same_numbers_and_the_next_draw_brings_others(draw):
    stream = mg.Generator().manual_seed(5)
    first, second = draw(stream), draw(stream)
    assert not same(first, second)
    assert same(draw(stream.manual_seed(5)), first)
    assert same(draw(stream), second)
    assert not same(draw(stream.manual_seed(6)), first)


@draws
def test_a_traced_draw_gives_the_eager_numbers_to_the_bit_and_new_ones_each_call(draw):
    stream = mg.Generator().manual_seed(5)
    expected = [draw(stream) for _ in range(4)]
    stream.manual_seed(5)
    traced = mg.jit(lambda: draw(stream))
    got = [traced() for _ in range(4)]
    assert traced.traces == 1
    assert all(map(same, got, expected))
    assert same(draw(stream), draw(stream)) is False


@draws
def test_the_default_generator_serves_where_none_is_given(draw):
    stream = mg.Generator().manual_seed(9)
    mg.manual_seed(9)
    assert same(draw(None), draw(stream))
    assert same(mg.get_rng_state(), stream.get_state())


def test_the_counter_moves_by_whole_blocks_of_four_words():
    stream = mg.Generator()
    for shape, blocks in (((), 1), ((4,), 1), ((5,), 2), ((2, 0), 0), ((3, 3), 3)):
        for draw in (mg.rand, mg.randn):
            stream.manual_seed(3)
            draw(shape, generator=stream)
            assert stream.get_state().tolist() == [3, blocks]


def test_states_and_seeds_come_and_go():
    mg.manual_seed(-1)
    assert mg.initial_seed() == mg.Generator().manual_seed(2**64 - 1).initial_seed()
    mg.rand(9)
    state = mg.get_rng_state()
    first = mg.rand(3)
    assert same(state, state.clone())
    mg.set_rng_state(state)
    assert same(mg.rand(3), first)
    one, two = mg.seed(), mg.seed()
    assert one != two == mg.initial_seed()
    with pytest.raises(ArgumentError, match="not the state of a generator"):
        mg.set_rng_state(mg.ones(2))


def test_to_draw_is_not_to_compute():
    with mg.count_ops() as count:
        (
            mg.rand(2),
            mg.randn(2),
            mg.randint(5, (2,)),
            mg.randperm(3),
            mg.normal(0, 1, (2,)),
        )
    assert count.total == 0


# --- in a graph --------------------------------------------------------------------------


def test_draws_in_one_step_read_different_states_and_are_never_merged():
    step = mg.jit(lambda: (mg.rand(3), mg.rand(3)))
    for _ in range(3):
        first, second = step()
        assert not same(first, second)
    reads = [n.inputs[0] for n in step.program.ops if n.op is random_uniform]
    assert len(set(reads)) == 2


def test_dropout_in_a_traced_step_trains_as_the_eager_step_does():
    def run(transform):
        mg.manual_seed(0)
        w = mg.randn(6, 4, requires_grad=True)
        x = mg.randn(3, 6)

        @transform
        def step():
            kept = mg.bernoulli(mg.full((3, 4), 0.5))
            loss = ((x @ w).tanh() * kept * 2).square().sum()
            loss.backward()
            with mg.no_grad():
                w.sub_(0.1 * w.grad)
            w.grad = None
            return loss

        return [step().item() for _ in range(5)], w

    (eager, w1), (traced, w2) = run(lambda fn: fn), run(mg.jit)
    np.testing.assert_allclose(eager, traced, rtol=1e-6)
    np.testing.assert_allclose(w1.detach().numpy(), w2.detach().numpy(), rtol=1e-6)


def test_seeding_inside_a_traced_step_starts_the_stream_over_in_every_call():
    stream = mg.Generator()

    @mg.jit
    def step():
        stream.manual_seed(4)
        return mg.rand(3, generator=stream)

    assert same(step(), step())
    assert stream.get_state().tolist() == [4, 1]


def test_a_trace_that_fails_leaves_the_generator_as_it_was():
    stream = mg.Generator().manual_seed(1)
    mg.rand(8, generator=stream)
    version = stream._state.cell.version

    def step():
        mg.rand(3, generator=stream)
        raise KeyError

    with pytest.raises(KeyError):
        mg.jit(step)()
    assert stream.get_state().tolist() == [1, 2]
    assert stream._state.cell.version == version


def test_a_node_is_given_new_numbers_in_every_run():
    x = mg.placeholder((4,), mg.float64)
    program = mg.compile(
        [x], [mg.rand_like(x), mg.randn_like(x), mg.bernoulli(x), mg.rand_like(x)]
    )
    runs = [program(np.full(4, 0.5)) for _ in range(20)]
    columns = list(zip(*runs, strict=True))
    for column in columns:
        assert all(value.dtype == mg.float64 for value in column)
        assert len({tuple(value.tolist()) for value in column}) > 5
    assert not any(map(same, columns[0], columns[3]))
    assert all(set(value.tolist()) <= {0.0, 1.0} for value in columns[2])


def test_a_node_is_one_value_in_one_run_also_for_its_gradient():
    x = mg.placeholder((100,))
    kept = mg.bernoulli(x * 0 + 0.5)
    y = (x * kept).sum()
    program = mg.compile([x], [kept, mg.gradients(y, x)])
    for _ in range(3):
        mask, slope = program(mg.ones(100))
        assert same(mask, slope)


def test_programs_of_one_graph_share_its_states():
    mg.manual_seed(2)
    x = mg.placeholder((3,))
    y = mg.rand_like(x)
    one, two = mg.compile([x], y), mg.compile([x], y * 1)
    values = [program(mg.zeros(3)) for program in (one, two, one, two)]
    mg.manual_seed(2)
    again = mg.compile([x], mg.rand_like(x))
    assert all(same(value, again(mg.zeros(3))) for value in values)


def test_a_session_draws_anew_too():
    x = mg.placeholder((3,))
    y = mg.rand_like(x)
    with mg.Session() as session:
        assert not same(*(session.run(y, {x: mg.zeros(3)}) for _ in range(2)))


def test_an_update_given_by_hand_is_kept():
    state = mg.variable(np.array([7, 0]))
    drawn = random_uniform(state, shape=(3,), dtype=np.dtype("float32"))
    frozen = mg.compile([], drawn, updates={state: state * 1})
    assert same(frozen(), frozen())
    moving = mg.compile([], drawn)
    assert not same(moving(), moving())


# --- how the numbers are spread ----------------------------------------------------------

N = 100_000


def kolmogorov_distance(drawn, cdf):
    """How far the share of numbers below each is from what it should be."""
    x = np.sort(drawn.numpy().astype(np.float64))
    return np.abs(np.arange(1, N + 1) / N - cdf(x)).max()


def normal_cdf(x):
    return (1 + mg.tensor(x / math.sqrt(2)).erf().numpy()) / 2


LIMIT = 1.95 / math.sqrt(N)  # exceeded once in a thousand seeds


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_distributions_are_the_ones_named(dtype):
    mg.manual_seed(1)
    u, z = mg.rand(N, dtype=dtype), mg.randn(N, dtype=dtype)
    assert u.min().item() >= 0
    assert u.max().item() < 1
    assert kolmogorov_distance(u, lambda x: x) < LIMIT
    assert kolmogorov_distance(z, normal_cdf) < LIMIT
    assert abs(z.mean().item()) < 0.01
    assert abs(z.var().item() - 1) < 0.02
    assert abs((u[1:] * u[:-1]).mean().item() - 0.25) < 0.005  # neighbours know nothing
    v = mg.zeros(N, dtype=dtype).uniform_(-3, 5)
    assert kolmogorov_distance(v, lambda x: (x + 3) / 8) < LIMIT
    w = mg.zeros(N, dtype=dtype).normal_(4, 0.5)
    assert kolmogorov_distance(w, lambda x: normal_cdf((x - 4) / 0.5)) < LIMIT
    n = mg.normal(mg.full((N,), 4.0, dtype=dtype), 0.5)
    assert n.dtype == dtype
    assert kolmogorov_distance(n, lambda x: normal_cdf((x - 4) / 0.5)) < LIMIT


def test_streams_of_neighbouring_seeds_and_of_different_ops_are_unlike():
    one, two = (mg.randn(N, generator=mg.Generator().manual_seed(s)) for s in (1, 2))
    assert abs((one * two).mean().item()) < 0.02
    stream = mg.Generator().manual_seed(1)
    mixed = [mg.rand(8, generator=stream), mg.rand_like(one[:8], generator=stream)]
    assert not same(*mixed)


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_draws_by_weight(replacement):
    mg.manual_seed(4)
    weights = mg.tensor([[1.0, 0.0, 3.0, 4.0]]).expand(N, 4)
    first = mg.multinomial(weights, 2, replacement)[:, 0]
    counts = np.bincount(first.numpy(), minlength=4) / N
    np.testing.assert_allclose(counts, [1 / 8, 0, 3 / 8, 1 / 2], atol=0.006)


def test_multinomial_without_replacement_draws_each_once():
    weights = mg.tensor([1.0, 0.0, 3.0, 4.0])
    assert sorted(mg.multinomial(weights, 3).tolist()) == [0, 2, 3]
    assert sorted(mg.multinomial(mg.ones(5), 5).tolist()) == [0, 1, 2, 3, 4]


def test_multinomial_never_gives_what_has_no_weight():
    with pytest.raises(ArgumentError, match="2 or more of them not 0"):
        mg.multinomial(mg.tensor([1.0, 0.0, 0.0]), 2)  # PyTorch would


def test_integers_and_permutations_are_even():
    mg.manual_seed(3)
    counts = np.bincount(mg.randint(3, 8, (N,)).numpy() - 3, minlength=5) / N
    np.testing.assert_allclose(counts, [0.2] * 5, atol=0.006)
    firsts = [mg.randperm(4)[0].item() for _ in range(2000)]
    np.testing.assert_allclose(np.bincount(firsts) / 2000, [0.25] * 4, atol=0.04)
    wide = mg.randint(-(2**63), 2**63 - 1, (1000,)).numpy()
    assert wide.min() < -(2**61)
    assert wide.max() > 2**61


def test_bernoulli_takes_probabilities_and_gives_their_dtype():
    mg.manual_seed(3)
    shares = mg.bernoulli(mg.tensor([[0.0, 0.25, 1.0]]).expand(N, 3)).mean(0)
    np.testing.assert_allclose(shares.numpy(), [0, 0.25, 1], atol=0.006)
    flags = mg.zeros(N, dtype=mg.bool_).bernoulli_(0.25)
    assert flags.dtype == mg.bool_
    assert abs(flags.float().mean().item() - 0.25) < 0.006
    assert mg.bernoulli(mg.zeros(3), 1.0).tolist() == [1, 1, 1]


# --- as in PyTorch -----------------------------------------------------------------------

ALIKE = {
    "bernoulli": lambda t: t.bernoulli(t.full((2, 3), 0.5)),
    "bernoulli of p": lambda t: t.bernoulli(t.zeros(3, dtype=t.float64), 0.5),
    "bernoulli as a method": lambda t: t.ones(3).bernoulli(p=0.5),
    "multinomial": lambda t: t.multinomial(t.ones(2, 5), 3),
    "multinomial as a method": lambda t: t.ones(2, 5).multinomial(3),
    "multinomial of a vector": lambda t: t.multinomial(t.ones(5), 7, replacement=True),
    "normal": lambda t: t.normal(t.zeros(2, 1), t.ones(3)),
    "normal of a number": lambda t: t.normal(2.0, t.ones(3)),
    "normal with a size": lambda t: t.normal(2.0, 3.0, size=(2, 2)),
    "normal_": lambda t: t.zeros(3, dtype=t.float64).normal_(),
    "uniform_": lambda t: t.zeros(3).uniform_(2, 3),
    "random_ of bytes": lambda t: t.zeros(3, dtype=t.uint8).random_(),
    "random_ to": lambda t: t.zeros(3, dtype=t.int64).random_(5),
    "random_ to by name": lambda t: t.zeros(3).random_(to=5),
    "random_ from to": lambda t: t.zeros(3).random_(2, 5),
    "bernoulli_ of integers": lambda t: t.zeros(3, dtype=t.int64).bernoulli_(0.3),
    "bernoulli_ of a tensor": lambda t: t.zeros(3).bernoulli_(t.tensor([0.0, 1, 1])),
}
REFUSED = {
    "probability above 1": lambda t: t.bernoulli(t.full((2,), 1.5)),
    "integer probabilities": lambda t: t.multinomial(t.ones(3, dtype=t.int64), 1),
    "too many": lambda t: t.multinomial(t.ones(3), 4),
    "negative weights": lambda t: t.multinomial(t.tensor([1.0, -1.0]), 1),
    "infinite weights": lambda t: t.multinomial(t.tensor([1.0, float("inf")]), 1),
    "no weight at all": lambda t: t.multinomial(t.zeros(3), 1, True),
    "a cube of weights": lambda t: t.multinomial(t.ones(2, 2, 2), 1),
    "none": lambda t: t.multinomial(t.ones(2), 0),
    "negative std": lambda t: t.normal(0.0, -1.0, (2,)),
    "negative stds": lambda t: t.normal(t.zeros(2), t.tensor([1.0, -1.0])),
    "normal_ of negative std": lambda t: t.zeros(2).normal_(0, -1),
    "uniform_ the wrong way": lambda t: t.zeros(2).uniform_(1, 0),
    "random_ up to 0": lambda t: t.zeros(2).random_(0),
    "random_ of nothing": lambda t: t.zeros(2).random_(3, 3),
    "a leaf": lambda t: t.zeros(2, requires_grad=True).normal_(),
}


@pytest.mark.parametrize("call", ALIKE.values(), ids=ALIKE)
def test_shapes_and_dtypes_are_those_of_pytorch(call, torch):
    ours, theirs = call(mg), call(torch)
    assert ours.shape == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_pytorch_refuses_is_refused(call, torch):
    with pytest.raises(RuntimeError):
        call(torch)
    before = mg.get_rng_state()
    with pytest.raises(RuntimeError):
        call(mg)
    assert same(before, mg.get_rng_state())
