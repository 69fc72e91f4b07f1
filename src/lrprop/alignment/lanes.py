"""Sixteen numbers at once: the vector type that the CPU kernels are written in.

Numba compiles scalar code and leaves it to LLVM to find loops that it can vectorise. It does not find ours: a cell
needs its neighbours of a moment ago, which are to stay in registers and move on by one lane. So this file gives Numba a
type of LANES numbers, `load` and `store`, the arithmetic operators, and the few moves between lanes that the kernels
need. LLVM splits the type into whatever registers the processor has.

Numbers are float32 with int32 beside them, or float64 with int64.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numba.extending
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import models, overload, register_model

# Numba's decorator, whose functions compiled code calls without their first argument.
intrinsic: Callable[[Callable[..., Any]], Any] = numba.extending.intrinsic

LANES = 16


class Lanes(types.Type):
    """LANES numbers of one Numba type."""

    def __init__(self, number: Any) -> None:
        self.number = number
        super().__init__(f"Lanes({number})")

    @property
    def is_float(self) -> bool:
        """Whether the numbers are floating-point numbers."""
        return isinstance(self.number, types.Float)

    @property
    def whole(self) -> Lanes:
        """The integers of the same width."""
        return Lanes(types.int32 if self.number.bitwidth == 32 else types.int64)

    @property
    def real(self) -> Lanes:
        """The floating-point numbers of the same width."""
        return Lanes(types.float32 if self.number.bitwidth == 32 else types.float64)

    @property
    def fraction_bits(self) -> int:
        """Of such a number, behind its exponent."""
        return 23 if self.number.bitwidth == 32 else 52

    @property
    def bias(self) -> int:
        """Of its exponent."""
        return 127 if self.number.bitwidth == 32 else 1023


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(dmm.lookup(fe_type.number).get_value_type(), LANES))


def _vector(kind: Lanes) -> ir.VectorType:
    width = kind.number.bitwidth
    number = (ir.FloatType() if width == 32 else ir.DoubleType()) if kind.is_float else ir.IntType(width)
    return ir.VectorType(number, LANES)


def _constant(kind: Lanes, value: float) -> ir.Constant:
    vector = _vector(kind)
    return ir.Constant(vector, [ir.Constant(vector.element, value)] * LANES)


def _splat(builder: ir.IRBuilder, vector: ir.VectorType, number: ir.Value) -> ir.Value:
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def _shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, order: list[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order))


def _pointer(context: Any, builder: ir.IRBuilder, array: Any, data: ir.Value, index: ir.Value) -> ir.Value:
    """To the item of that index of a one-dimensional contiguous array, as the address of a vector."""
    struct = context.make_array(array)(context, builder, data)
    return builder.gep(struct.data, [index])


def _load(builder: ir.IRBuilder, pointer: ir.Value, vector: ir.VectorType) -> ir.Value:
    address = builder.bitcast(pointer, vector.as_pointer())
    value = builder.load(address, typ=vector)
    value.align = 1
    return value


def _store(builder: ir.IRBuilder, value: ir.Value, pointer: ir.Value) -> None:
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer())).align = 1


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """array[index : index + LANES] of a contiguous (n,) array; nothing checks the bounds."""
    kind = Lanes(array.dtype)

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _load(builder, _pointer(context, builder, array, *values), _vector(kind))

    return kind(array, types.intp), build


@intrinsic
def store(typing: Any, array: Any, index: Any, lanes: Any) -> Any:
    """array[index : index + LANES] = lanes."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _store(builder, values[2], _pointer(context, builder, array, *values[:2]))
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), build


@intrinsic
def splat(typing: Any, like: Any, number: Any) -> Any:
    """The number in every lane, of the kind of `like`."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _splat(builder, _vector(like), values[1])

    return like(like, like.number), build


@intrinsic
def lane(typing: Any, lanes: Any, index: Any) -> Any:
    """The number in one lane."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.extract_element(values[0], builder.trunc(values[1], ir.IntType(32)))

    return lanes.number(lanes, types.intp), build


@intrinsic
def shift_up(typing: Any, lanes: Any, number: Any) -> Any:
    """Every number one lane up, the new one in lane 0."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        new = _splat(builder, _vector(lanes), values[1])
        return _shuffle(builder, values[0], new, [LANES, *range(LANES - 1)])

    return lanes(lanes, lanes.number), build


@intrinsic
def shift_down(typing: Any, lanes: Any) -> Any:
    """Every number one lane down, 0 in the last lane."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _shuffle(builder, values[0], _constant(lanes, 0), [*range(1, LANES), LANES])

    return lanes(lanes), build


def _binary(function: Any, of_floats: Callable[..., Any], of_integers: Callable[..., Any] | None = None) -> None:
    """Give lanes of floats, and of integers where that is told, the operator or function."""

    @intrinsic
    def compute(typing: Any, a: Any, b: Any) -> Any:
        emit = of_integers if of_integers and not a.is_float else of_floats

        def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return emit(builder, *values)

        return a(a, a), build

    @overload(function, inline="always", strict=False)
    def typed(a: Any, b: Any) -> Any:
        if isinstance(a, Lanes) and a == b and (a.is_float or of_integers):
            return lambda a, b: compute(a, b)
        return None


_CONTRACT = ("contract",)  # a product and a sum may become one fused step: faster and more accurate


def maximum(a: Any, b: Any) -> Any:
    """The larger one in each lane."""
    raise NotImplementedError("only in compiled code")


def minimum(a: Any, b: Any) -> Any:
    """The smaller one in each lane."""
    raise NotImplementedError("only in compiled code")


_binary(operator.add, lambda b, x, y: b.fadd(x, y, flags=_CONTRACT), lambda b, x, y: b.add(x, y))
_binary(operator.sub, lambda b, x, y: b.fsub(x, y, flags=_CONTRACT), lambda b, x, y: b.sub(x, y))
_binary(operator.mul, lambda b, x, y: b.fmul(x, y, flags=_CONTRACT))
_binary(operator.truediv, lambda b, x, y: b.fdiv(x, y))
_binary(
    maximum,
    lambda b, x, y: b.select(b.fcmp_ordered(">", x, y), x, y),
    lambda b, x, y: b.select(b.icmp_signed(">", x, y), x, y),
)
_binary(
    minimum,
    lambda b, x, y: b.select(b.fcmp_ordered("<", x, y), x, y),
    lambda b, x, y: b.select(b.icmp_signed("<", x, y), x, y),
)


@intrinsic
def less(typing: Any, a: Any, b: Any) -> Any:
    """An integer whose bit l says whether lane l of a is less than that of b."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        compare = builder.fcmp_ordered if a.is_float else builder.icmp_signed
        bits = builder.bitcast(compare("<", *values), ir.IntType(LANES))
        return builder.zext(bits, context.get_value_type(types.intp))

    return types.int64(a, a), build


@intrinsic
def lowest_bit(typing: Any, bits: Any) -> Any:
    """The number of the lowest bit that is set in an integer, which is not 0."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))

    return bits(bits), build


@intrinsic
def first_least(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """0, 1 or 2 in each lane: which of the three is the least one, the first of equals."""
    codes = Lanes(types.int8)

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        a, b, c = values
        b_or_c = builder.select(builder.fcmp_ordered("<=", b, c), _constant(codes, 1), _constant(codes, 2))
        lesser = builder.select(builder.fcmp_ordered("<=", b, c), b, c)
        return builder.select(builder.fcmp_ordered("<=", a, lesser), _constant(codes, 0), b_or_c)

    return codes(a, a, a), build


@intrinsic
def negated(typing: Any, lanes: Any) -> Any:
    """Each number with the other sign, 0 too."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fneg(values[0])

    return lanes(lanes), build


@intrinsic
def if_negative(typing: Any, lanes: Any, yes: Any, no: Any) -> Any:
    """`yes` in each lane whose sign bit is set, that of -0 too; else `no`."""
    whole = lanes.whole

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        bits = builder.bitcast(values[0], _vector(whole))
        return builder.select(builder.icmp_signed("<", bits, _constant(whole, 0)), *values[1:])

    return yes(lanes, yes, no), build


@intrinsic
def if_at_least(typing: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` in each lane where a >= b, else `no`."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">=", *values[:2]), *values[2:])

    return yes(a, b, yes, no), build


@intrinsic
def power_of_two(typing: Any, exponent: Any) -> Any:
    """2 ** exponent for exponents <= 0; 0 where that is no normal number."""
    real = exponent.real

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        least = _constant(exponent, -real.bias)
        raised = builder.select(builder.icmp_signed(">", values[0], least), values[0], least)
        bits = builder.shl(builder.sub(raised, least), _constant(exponent, real.fraction_bits))
        return builder.bitcast(bits, _vector(real))

    return real(exponent), build


@intrinsic
def absolute(typing: Any, lanes: Any) -> Any:
    """Each number without its sign."""
    whole = lanes.whole

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        bits = builder.bitcast(values[0], _vector(whole))
        kept = builder.and_(bits, _constant(whole, 2 ** (lanes.number.bitwidth - 1) - 1))
        return builder.bitcast(kept, _vector(lanes))

    return lanes(lanes), build


@intrinsic
def exponent_of(typing: Any, positive: Any) -> Any:
    """The integer e of a positive normal number f * 2 ** e with 1 <= f < 2."""
    whole = positive.whole

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        bits = builder.bitcast(values[0], _vector(whole))
        return builder.sub(
            builder.lshr(bits, _constant(whole, positive.fraction_bits)), _constant(whole, positive.bias)
        )

    return whole(positive), build


@intrinsic
def mantissa_of(typing: Any, positive: Any) -> Any:
    """The number f of a positive normal number f * 2 ** e with 1 <= f < 2."""
    whole = positive.whole

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        bits = builder.bitcast(values[0], _vector(whole))
        kept = builder.and_(bits, _constant(whole, 2**positive.fraction_bits - 1))
        return builder.bitcast(
            builder.or_(kept, _constant(whole, positive.bias << positive.fraction_bits)), _vector(positive)
        )

    return positive(positive), build


def _call(builder: ir.IRBuilder, name: str, *values: ir.Value) -> ir.Value:
    """An operation that LLVM has under a name of its own."""
    vector = values[0].type
    suffix = f"v{LANES}" + ("f32" if isinstance(vector.element, ir.FloatType) else "f64")
    kind = ir.FunctionType(vector, [value.type for value in values])
    function = builder.module.globals.get(f"llvm.{name}.{suffix}")
    if function is None:
        function = ir.Function(builder.module, kind, f"llvm.{name}.{suffix}")
    return builder.call(function, values)


@intrinsic
def widen(typing: Any, lanes: Any) -> Any:
    """As float64."""
    wide = Lanes(types.float64)

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return values[0] if lanes == wide else builder.fpext(values[0], _vector(wide))

    return wide(lanes), build


@intrinsic
def nearest(typing: Any, lanes: Any) -> Any:
    """Each number rounded to a whole one."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _call(builder, "rint", *values)

    return lanes(lanes), build


@intrinsic
def square_root(typing: Any, lanes: Any) -> Any:
    """Of each number, which is not negative."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _call(builder, "sqrt", *values)

    return lanes(lanes), build


@intrinsic
def narrow(typing: Any, wide: Any, like: Any) -> Any:
    """Float64 numbers as the kind of `like`: float32, or whole numbers."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if like == wide:
            return values[0]
        if like.is_float:
            return builder.fptrunc(values[0], _vector(like))
        return builder.fptosi(values[0], _vector(like))

    return like(wide, like), build


def _exp2_coefficients(degree: int) -> list[float]:
    """Of the polynomial that meets 2 ** x in 0 and in the Chebyshev nodes of [-1/2, 1/2], lowest power first."""
    with localcontext() as context:
        context.prec = 50
        nodes = [Decimal(math.cos(math.pi * (k + 0.5) / degree) / 2) for k in range(degree)]
        slopes = [(Decimal(2) ** x - 1) / x for x in nodes]
        # Newton's divided differences, then Horner's rule on polynomials.
        for level in range(1, degree):
            for k in range(degree - 1, level - 1, -1):
                slopes[k] = (slopes[k] - slopes[k - 1]) / (nodes[k] - nodes[k - level])
        powers = [Decimal(0)] * degree
        for x, slope in zip(reversed(nodes), reversed(slopes), strict=True):
            powers = [low - x * high for low, high in zip([Decimal(0), *powers[:-1]], powers, strict=True)]
            powers[0] += slope
        return [1.0, *map(float, powers)]


# By the bits of the fraction and of what is kept of the result. Where both are the same, the first degree whose error
# is below the rounding of the type; float64 for the sake of float32 errs by 2e-12, little enough for products of many.
_EXP2 = {(32, 32): _exp2_coefficients(6), (64, 64): _exp2_coefficients(12), (64, 32): _exp2_coefficients(8)}


@intrinsic
def exp2(typing: Any, fraction: Any, kept: Any) -> Any:
    """2 ** fraction for fractions in [-1/2, 1/2], exact enough for a product that is kept as numbers like `kept`."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, _ = values
        *rest, result = (_constant(fraction, c) for c in _EXP2[fraction.number.bitwidth, kept.number.bitwidth])
        for coefficient in reversed(rest):
            result = builder.fadd(builder.fmul(result, x, flags=_CONTRACT), coefficient, flags=_CONTRACT)
        return result

    return fraction(fraction, kept), build


def _transposed(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """Columns from rows: in each round, rows half the way apart exchange every second number."""
    low = [n + half for n in range(LANES // 2) for half in (0, LANES)]
    high = [n + half for n in range(LANES // 2, LANES) for half in (0, LANES)]
    for _ in range(LANES.bit_length() - 1):
        pairs = list(zip(rows[: LANES // 2], rows[LANES // 2 :], strict=True))
        rows = [_shuffle(builder, a, b, order) for a, b in pairs for order in (low, high)]
    return rows


@intrinsic
def load_transposed(typing: Any, tile: Any, rows: Any, start: Any, stride: Any) -> Any:
    """tile[t * LANES + r] = rows[start + r * stride + t] for r, t < LANES."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vectors = []
        for r in range(LANES):
            index = builder.add(values[2], builder.mul(values[3], ir.Constant(values[3].type, r)))
            vectors.append(
                _load(builder, _pointer(context, builder, rows, values[1], index), _vector(Lanes(rows.dtype)))
            )
        for t, vector in enumerate(_transposed(builder, vectors)):
            index = ir.Constant(values[2].type, t * LANES)
            _store(builder, vector, _pointer(context, builder, tile, values[0], index))
        return context.get_dummy_value()

    return types.void(tile, rows, types.intp, types.intp), build


@intrinsic
def _store_skewed(typing: Any, rows: Any, start: Any, tile: Any, stride: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vectors = []
        for t in range(LANES):
            index = ir.Constant(values[1].type, t * LANES)
            vectors.append(
                _load(builder, _pointer(context, builder, tile, values[2], index), _vector(Lanes(tile.dtype)))
            )
        for r, vector in enumerate(_transposed(builder, vectors)):
            index = builder.add(values[1], builder.mul(values[3], ir.Constant(values[3].type, r)))
            _store(builder, vector, _pointer(context, builder, rows, values[0], index))
        return context.get_dummy_value()

    return types.void(rows, types.intp, tile, types.intp), build


@njit(inline="always")
def load_skewed(tile: Any, rows: Any, start: int) -> None:
    """tile[t * LANES + r] = row r of `rows` at start + t - r, for r, t < LANES."""
    load_transposed(tile, rows, start, len(rows) // LANES - 1)


@njit(inline="always")
def store_skewed(rows: Any, start: int, tile: Any) -> None:
    """Row r of `rows` at start + t - r = tile[t * LANES + r], for r, t < LANES."""
    _store_skewed(rows, start, tile, len(rows) // LANES - 1)
