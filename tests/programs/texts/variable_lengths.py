"""Sums of sequences of different lengths, learnt by a GRU over packed batches."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

lengths = [5, 2, 4, 3]
sequences = [torch.randn(n, 2) for n in lengths]
padded = pad_sequence(sequences, batch_first=True)
targets = torch.stack([s.sum() for s in sequences])
gru = nn.GRU(2, 8, num_layers=2, batch_first=True, bidirectional=True)
head = nn.Linear(16, 1)
params = list(gru.parameters()) + list(head.parameters())
optimizer = torch.optim.RMSprop(params, lr=0.005)
for epoch in range(25):
    packed = pack_padded_sequence(
        padded, lengths, batch_first=True, enforce_sorted=False
    )
    output, h_n = gru(packed)
    prediction = head(torch.cat([h_n[-2], h_n[-1]], dim=1)).squeeze(1)
    loss = nn.functional.mse_loss(prediction, targets)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(params, 1.0)
    optimizer.step()
    if epoch % 5 == 4:
        print(epoch, loss.item())
unpacked, back = pad_packed_sequence(output, batch_first=True)
print(unpacked.shape, back.tolist())
