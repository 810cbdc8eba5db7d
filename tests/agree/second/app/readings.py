"""Sources in everyday Python; one fails now and then."""


def door(now, sequence):
    if sequence % 10 == 3:
        raise ValueError("stuck")
    return -sequence if sequence & 1 else now ^ sequence


def steady(now, sequence):
    return now - 7 * sequence
