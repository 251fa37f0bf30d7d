"""Least squares for a differential equation: the length and friction of a pendulum from noisy angles.

The model is plain NumPy, put into a loop by `cr.scan`; its derivatives by the unknowns come from `cr.jvp`. The unknowns
follow by the method of Gauss and Newton, their standard errors from the Jacobian J of the residuals at the solution:
the covariance is s^2 (J^T J)^-1 with s^2 the sum of squares per degree of freedom.
"""

from __future__ import annotations

import numpy as np

import chainrule as cr

GRAVITY = 9.81
NAMES = ("length [m]", "friction [1/s]", "first angle [rad]")
NOISE = 0.01


def velocity(state, length, friction):
    """The derivative of (angle, angular velocity) by time; not linear, so there is no closed formula for the angle."""
    angle, speed = state
    return np.stack([speed, -GRAVITY / length * np.sin(angle) - friction * speed])


def angles(unknowns, times):
    """The angle at equally spaced times, from rest: the classical Runge-Kutta method of fourth order."""
    length, friction, first = unknowns
    h = times[1] - times[0]

    def step(state, _):
        k1 = velocity(state, length, friction)
        k2 = velocity(state + h / 2 * k1, length, friction)
        k3 = velocity(state + h / 2 * k2, length, friction)
        k4 = velocity(state + h * k3, length, friction)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), state[0]

    _, path = cr.scan(step, np.stack([first, 0.0 * first]), length=len(times))
    return path


@cr.jit
def residuals_and_jacobian(unknowns, times, measured):
    """angles - measured, and its derivatives by the unknowns, a column each."""

    def residuals(unknowns):
        return angles(unknowns, times) - measured

    columns = [cr.jvp(residuals, (unknowns,), (direction,)) for direction in np.eye(len(unknowns))]
    return columns[0][0], np.stack([column for _, column in columns], axis=1)


def gauss_newton(unknowns, times, measured, iterations=6):
    """The unknowns that minimise the sum of squares, from a first guess, and their standard errors."""
    for iteration in range(iterations):
        r, J = residuals_and_jacobian(unknowns, times, measured)
        print(f"iteration {iteration}: sum of squares {r @ r:.6f}")
        unknowns = unknowns - np.linalg.solve(J.T @ J, J.T @ r)
    r, J = residuals_and_jacobian(unknowns, times, measured)
    covariance = r @ r / (len(r) - len(unknowns)) * np.linalg.inv(J.T @ J)
    return unknowns, np.sqrt(np.diag(covariance))


def main():
    times = np.linspace(0.0, 5.0, 101)
    truth = np.array([1.2, 0.3, 1.5])
    measured = angles(truth, times) + NOISE * np.random.default_rng(0).standard_normal(len(times))
    found, errors = gauss_newton(np.array([1.0, 0.0, 1.2]), times, measured)
    print(f"\n{'':18} {'found':>9}   {'error':>8}   {'truth':>6}")
    for row in zip(NAMES, found, errors, truth, strict=True):
        print("{:18} {:9.4f} ± {:8.4f}   {:6.2f}".format(*row))
    if not (np.abs(found - truth) < 4 * errors).all():
        raise SystemExit("the unknowns are not within four standard errors of the truth")


if __name__ == "__main__":
    main()
