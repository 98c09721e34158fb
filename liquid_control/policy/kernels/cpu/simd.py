"""Sixteen samples side by side as one value inside numba functions: arithmetic on it is SIMD on any
processor.

LLVM's vectoriser gives up on loops over many arrays that might overlap, so vectors are explicit
here. A value of type `Lanes` comes from `load`, takes + - * / with another one or with a number,
and goes back with `store`. One sample never touches another's lane, and NaN stays in its lane.

numba's cache is invalidated by the file of the cached function, not by this one: edit the kernels
too when this file changes.
"""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, overload, register_jitable, register_model
from numba.np.arrayobj import make_array

LANES = 16
FUSE = ("contract", "nsz")
"""a * b + c may be rounded once and zero may lose its sign. Nothing else: NaN passes and sums keep
their order."""

LINE = 64
"""Bytes of a cache line."""
INDEX = ir.IntType(32)
LOG2_E = 1.4426950408889634
ROUND = 12582912.0 + 127.0
"""1.5 * 2^23 and a float32's exponent bias: adding both to a number leaves in the low bits what 2
to it has for an exponent."""
LIMIT = 126.0
"""2 to more leaves the normal float32 numbers."""
EXP2 = (
    1.5345810396e-4,
    1.3399931207e-3,
    9.6184889631e-3,
    5.5503287770e-2,
    2.4022646891e-1,
    6.9314720574e-1,
    1.0,
)
"""The polynomial nearest to 2 to the power of -1/2..1/2 (2e-9 relative), highest power first."""


class Lanes(types.Type):
    """`LANES` numbers of one floating type."""

    def __init__(self, scalar: types.Float) -> None:
        self.scalar = scalar
        super().__init__(name=f"Lanes({scalar})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """An LLVM vector."""

    def __init__(self, manager, kind: Lanes) -> None:
        super().__init__(
            manager, kind, ir.VectorType(manager.lookup(kind.scalar).get_value_type(), LANES)
        )


@intrinsic
def load(typing, array, row):
    """Row `row` of a C-contiguous array seen as (rows, LANES), whatever its number of
    dimensions."""

    def code(context, builder, signature, arguments):
        return builder.load(
            _row(context, builder, signature, arguments), align=array.dtype.bitwidth // 8
        )

    return Lanes(array.dtype)(array, types.intp), code


@intrinsic
def store(typing, array, row, value):
    """Writes `value` where `load` reads."""

    def code(context, builder, signature, arguments):
        builder.store(
            arguments[2],
            _row(context, builder, signature, arguments),
            align=array.dtype.bitwidth // 8,
        )
        return context.get_dummy_value()

    return types.void(array, types.intp, value), code


@intrinsic
def spread(typing, like, number):
    """`number` in every lane of a value like `like`."""

    def code(context, builder, signature, arguments):
        scalar = context.cast(builder, arguments[1], number, like.scalar)
        nothing = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
        first = builder.insert_element(nothing, scalar, INDEX(0))
        return builder.shuffle_vector(
            first, nothing, ir.Constant(ir.VectorType(INDEX, LANES), [0] * LANES)
        )

    return like(like, number), code


@register_jitable
def lines(count, kind):
    """An uninitialised array (count, LANES) that starts at a cache line: a vector across two lines
    costs twice.

    For numba and for Python; C-contiguous."""
    raw = np.empty((count + 1) * LANES, kind)
    start = -np.int64(raw.ctypes.data) % LINE // raw.itemsize
    return raw[start : start + count * LANES].reshape(count, LANES)


@njit
def clear(array):
    """Zeros in the rows of `load`."""
    for row in range(array.size // LANES):
        store(array, row, spread(load(array, row), 0.0))


@intrinsic
def total(typing, value):
    """Sum over the lanes, first to last."""

    def code(context, builder, signature, arguments):
        entries = [builder.extract_element(arguments[0], INDEX(i)) for i in range(LANES)]
        result = entries[0]
        for entry in entries[1:]:
            result = builder.fadd(result, entry)
        return result

    return value.scalar(value), code


@intrinsic
def clamp(typing, value, low, high):
    """`value` within low..high; NaN passes."""

    def code(context, builder, signature, arguments):
        value, low, high = arguments
        value = builder.select(builder.fcmp_ordered("<", value, low), low, value)
        return builder.select(builder.fcmp_ordered(">", value, high), high, value)

    return value(value, low, high), code


@intrinsic
def power_of_two(typing, rounded):
    """2 to the whole number to which `ROUND` was added."""

    def code(context, builder, signature, arguments):
        vector = ir.VectorType(INDEX, LANES)
        exponent = builder.shl(
            builder.bitcast(arguments[0], vector), ir.Constant(vector, [23] * LANES)
        )
        return builder.bitcast(exponent, arguments[0].type)

    return rounded(rounded), code


@intrinsic
def library_exp2(typing, value):
    """exp2 of the C library, lane by lane."""

    def code(context, builder, signature, arguments):
        result, exp2 = (
            arguments[0],
            builder.module.declare_intrinsic("llvm.exp2", [arguments[0].type.element]),
        )
        for i in range(LANES):
            result = builder.insert_element(
                result,
                builder.call(exp2, [builder.extract_element(arguments[0], INDEX(i))]),
                INDEX(i),
            )
        return result

    return value(value), code


def exp2(value):
    """2 to the `value`: float64 as the C library has it, float32 by a polynomial within 1e-7 of it,
    for -126..126 (clamped)."""


@overload(exp2)
def _exp2(value):
    if value.scalar == types.float64:
        return lambda value: library_exp2(value)

    def single(value):
        value = clamp(value, spread(value, -LIMIT), spread(value, LIMIT))
        rounded = value + ROUND
        r = value - (rounded - ROUND)
        result = r * EXP2[0] + EXP2[1]
        for coefficient in EXP2[2:]:
            result = result * r + coefficient
        return result * power_of_two(rounded)

    return single


def sigmoid(value):
    """1 / (1 + exp(-value))."""


@overload(sigmoid)
def _sigmoid(value):
    return lambda value: 1.0 / (1.0 + exp2(value * -LOG2_E))


def tanh(value):
    """1 - 2 / (1 + exp(2 value)): its precision is absolute, not relative, near zero."""


@overload(tanh)
def _tanh(value):
    return lambda value: 1.0 - 2.0 / (1.0 + exp2(value * (2.0 * LOG2_E)))


def _row(context, builder, signature, arguments):
    data = make_array(signature.args[0])(context, builder, arguments[0]).data
    start = builder.gep(data, [builder.mul(arguments[1], arguments[1].type(LANES))])
    return builder.bitcast(start, ir.VectorType(data.type.pointee, LANES).as_pointer())


def _operator(symbol, instruction: str) -> None:
    @intrinsic
    def both(typing, a, b):
        def code(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments, flags=FUSE)

        return a(a, b), code

    @overload(symbol)
    def choose(a, b):
        if isinstance(a, Lanes) and isinstance(b, Lanes):
            return lambda a, b: both(a, b)
        if isinstance(a, Lanes) and isinstance(b, types.Number):
            return lambda a, b: both(a, spread(a, b))
        if isinstance(a, types.Number) and isinstance(b, Lanes):
            return lambda a, b: both(spread(b, a), b)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")
