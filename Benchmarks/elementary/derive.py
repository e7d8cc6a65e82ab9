#!/usr/bin/env python3
"""Derives the coefficients in Templates/math: weighted minimax fits, rounded to Float32.

Each function is written as known + Σ c_i φ_i(x); Remez' exchange minimizes the greatest weighted
error. Coefficients are then rounded to Float32 one after the other from the most significant on,
the rest fitted anew each time, so that later coefficients make up for earlier roundings.
"""
import numpy
from mpmath import mp, mpf, erf, erfc, exp, expm1, linspace, log, log1p, lu_solve, matrix, tanh

mp.prec = 120


def remez(target, basis, weight, points):
    """Coefficients of the minimax fit on the points, and the greatest weighted error."""
    count = len(basis)
    values = [(target(x) * weight(x), [f(x) * weight(x) for f in basis]) for x in points]
    chosen = [round((1 - float(mp.cos(mp.pi * (k + 0.5) / (count + 1)))) / 2 * (len(points) - 1))
              for k in range(count + 1)]
    for _ in range(30):
        system = matrix(count + 1)
        right = matrix(count + 1, 1)
        for row, k in enumerate(chosen):
            for column in range(count):
                system[row, column] = values[k][1][column]
            system[row, count] = (-1) ** row
            right[row] = values[k][0]
        solution = lu_solve(system, right)
        errors = [v - sum(solution[i] * f[i] for i in range(count)) for v, f in values]
        extrema = alternation(errors, count + 1)
        if extrema is None or extrema == chosen:
            break
        chosen = extrema
    return [solution[i] for i in range(count)], max(abs(e) for e in errors)


def alternation(errors, count):
    """The indices of `count` neighbouring extrema of alternating sign, the greatest there are."""
    found = []
    for k, e in enumerate(errors):
        if found and (errors[found[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[found[-1]]):
                found[-1] = k
        else:
            found.append(k)
    while len(found) > count:
        found.pop(0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1)
    return found if len(found) == count else None


def derive(name, target, powers, weight, low, high, points=600):
    # No point at zero, where relative weights are infinite.
    grid = [x for x in linspace(mpf(low), mpf(high), points) if x != 0]
    basis = [lambda x, p=p: x ** p for p in powers]
    fixed = []
    for i in range(len(powers)):
        rest = lambda x: target(x) - sum(c * f(x) for c, f in zip(fixed, basis))
        coefficients, _ = remez(rest, basis[i:], weight, grid)
        fixed.append(mpf(float(numpy.float32(float(coefficients[0])))))
    error = max(abs((target(x) - sum(c * f(x) for c, f in zip(fixed, basis))) * weight(x))
                for x in grid)
    print(f"{name}: greatest weighted error 2^{float(log(error, 2)):.2f}")
    for p, c in zip(powers, fixed):
        print(f"  x^{p}: {hexadecimal(float(c))}f")


def hexadecimal(value):
    """The shortest hexadecimal spelling of a Float32."""
    mantissa, exponent = value.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{int(exponent)}"


def split(name, value):
    """A constant as a sum of two Float32."""
    upper = mpf(float(numpy.float32(float(value))))
    print(f"{name}: {hexadecimal(float(upper))}f + {hexadecimal(float(numpy.float32(float(value - upper))))}f")


half = log(2) / 2 * (1 + mpf(2) ** -20)
split("log 2", log(2))
split("1 / log 2", 1 / log(2))
derive("exp", lambda x: expm1(x) - x, range(2, 7), lambda x: exp(-x), -half, half)
derive("log", lambda x: log1p(x) - x + x * x / 2, range(3, 11), lambda x: 1 / log1p(x),
       mpf(-1) / 3, mpf(1) / 3)
derive("tanh", lambda x: tanh(x) - x, range(3, 14, 2), lambda x: 1 / tanh(x), 1e-3, 0.625)
derive("erf, small", lambda x: erf(x) - x, range(1, 16, 2), lambda x: 1 / erf(x), 1e-3, 0.9375)
derive("erf, large: -log erfc", lambda x: -log(erfc(x)), range(0, 9), erfc, 0.9375, 4)
