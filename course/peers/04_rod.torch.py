import torch

heat = torch.zeros(61)
heat[25:36] = 100.0

for t in range(201):
    if t % 100 == 0:
        spot = heat[30].item()
        print(t, f"{spot:.2f}")
    left = heat[:-2]
    middle = heat[1:-1]
    right = heat[2:]
    both = left + right
    inner = (both + 2 * middle) / 4
    a, z = heat[:1], heat[-1:]
    heat = torch.cat([a, inner, z])
