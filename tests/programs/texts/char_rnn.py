"""From which language is a name? Letter by letter, with a cell made of Linear layers."""

import torch
import torch.nn as nn

NAMES = {
    "Italian": ["rossi", "bianchi", "ferrari", "esposito"],
    "Scottish": ["mackay", "campbell", "stewart", "murray"],
    "Polish": ["nowak", "kowalski", "wojcik", "mazur"],
}
LETTERS = sorted({letter for names in NAMES.values() for letter in "".join(names)})
LANGUAGES = list(NAMES)


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, len(LETTERS))
    for i, letter in enumerate(line):
        tensor[i][0][LETTERS.index(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = torch.tanh(self.i2h(torch.cat((input, hidden), 1)))
        return self.softmax(self.h2o(hidden)), hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(len(LETTERS), 16, len(LANGUAGES))
criterion = nn.NLLLoss()
rate = 0.05


def train(category_tensor, line_tensor):
    hidden = rnn.init_hidden()
    rnn.zero_grad()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-rate)
    return output, loss.item()


for epoch in range(12):
    total, right = 0.0, 0
    for k, language in enumerate(LANGUAGES):
        for name in NAMES[language]:
            category = torch.tensor([k], dtype=torch.long)
            output, loss = train(category, line_to_tensor(name))
            top_n, top_i = output.topk(1)
            total, right = total + loss, right + (top_i[0].item() == k)
    print(epoch, total, right)
