"""Machine operations that numba has no name for: eight bytes at once, trailing zeros, prefetch.

Each has a plain Python twin, which serves when numba's compiler is switched off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

if getattr(config, "DISABLE_JIT"):  # noqa: B009 - numba sets it at run time

    def load64(data: Any, at: int) -> np.uint64:
        """The eight bytes ``data[at:at + 8]`` as one number, first byte lowest."""
        return np.uint64(int.from_bytes(data[at : at + 8].tobytes(), "little"))

    def store64(data: Any, at: int, word: np.uint64) -> None:
        """Write a number to ``data[at:at + 8]``, lowest byte first."""
        data[at : at + 8] = np.frombuffer(int(word).to_bytes(8, "little"), np.uint8)

    def prefetch(data: Any, at: int) -> None:
        """Nothing: there is no cache to fill."""

    def trailing_zeros(word: np.uint64) -> int:
        """Zero bits below the lowest one bit; 64 for zero."""
        value = int(word)
        return (value & -value).bit_length() - 1 if value else 64

else:

    def _pointer(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
        struct = context.make_array(array_type)(context, builder, array)
        byte = builder.gep(struct.data, [at], inbounds=True)
        return builder.bitcast(byte, context.get_value_type(types.uint64).as_pointer())

    @intrinsic
    def load64(typing_context: Any, data: Any, at: Any) -> Any:
        """The eight bytes ``data[at:at + 8]`` as one number, first byte lowest."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
            return builder.load(pointer, align=1)

        return types.uint64(data, types.intp), generate

    @intrinsic
    def store64(typing_context: Any, data: Any, at: Any, word: Any) -> Any:
        """Write a number to ``data[at:at + 8]``, lowest byte first."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
            builder.store(args[2], pointer, align=1)
            return context.get_dummy_value()

        return types.void(data, types.intp, types.uint64), generate

    @intrinsic
    def prefetch(typing_context: Any, data: Any, at: Any) -> Any:
        """Have the cache line of ``data[at]`` fetched for reading, without waiting for it."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            struct = context.make_array(signature.args[0])(context, builder, args[0])
            address = builder.gep(struct.data, [args[1]], inbounds=True)
            byte = builder.bitcast(address, ir.IntType(8).as_pointer())
            kinds = [byte.type, *[ir.IntType(32)] * 3]
            declared = ir.FunctionType(ir.VoidType(), kinds)
            function = builder.module.declare_intrinsic("llvm.prefetch", [byte.type], declared)
            flags = [ir.Constant(ir.IntType(32), value) for value in (0, 3, 1)]  # read, keep, data
            builder.call(function, [byte, *flags])
            return context.get_dummy_value()

        return types.void(data, types.intp), generate

    @intrinsic
    def _cttz(typing_context: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.cttz(args[0], context.get_constant(types.boolean, 0))

        return types.uint64(types.uint64), generate

    @njit(inline="always")
    def trailing_zeros(word):  # type: ignore[no-untyped-def]
        """Zero bits below the lowest one bit; 64 for zero."""
        return np.int64(_cttz(word))  # type: ignore[call-arg]
