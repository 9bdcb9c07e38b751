import timeit

import torch


def best(call):
    times = timeit.repeat(call, number=100, repeat=7)
    return min(times)


def add(n):
    a = torch.ones(n)
    return best(lambda: a + a)


number = 1.5
plain = best(lambda: number + number)
one, million = add(1), add(1_000_000)

print("1 number costs more than")
print("  5 times a plain +:", one > 5 * plain)
print("of 1,000,000 numbers, the call")
print("  is under 10 %:", one < 0.1 * million)
