import torch

heat = torch.zeros(61)
heat[25:36] = 100.0

for t in range(201):
    if t % 100 == 0:
        print(t, f"{heat[30].item():.2f}")
    left = heat[:-2]
    middle = heat[1:-1]
    right = heat[2:]
    inner = (left + 2 * middle + right) / 4
    ends = heat[:1], heat[-1:]
    heat = torch.cat([ends[0], inner, ends[1]])
