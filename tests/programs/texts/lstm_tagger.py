"""Part-of-speech tags for a sentence, from an LSTM over word embeddings."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

TRAINING = [
    ("The dog ate the apple".split(), ["DET", "NN", "V", "DET", "NN"]),
    ("Everybody read that book".split(), ["NN", "V", "DET", "NN"]),
]
WORDS, TAGS = {}, {"DET": 0, "NN": 1, "V": 2}
for sentence, _ in TRAINING:
    for word in sentence:
        WORDS.setdefault(word, len(WORDS))


def prepare(sequence, index):
    return torch.tensor([index[w] for w in sequence], dtype=torch.long)


class LSTMTagger(nn.Module):
    def __init__(self, embedding_dim, hidden_dim, vocab_size, tagset_size):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim)
        self.hidden2tag = nn.Linear(hidden_dim, tagset_size)

    def forward(self, sentence):
        embeds = self.word_embeddings(sentence)
        lstm_out, _ = self.lstm(embeds.view(len(sentence), 1, -1))
        tag_space = self.hidden2tag(lstm_out.view(len(sentence), -1))
        return F.log_softmax(tag_space, dim=1)


model = LSTMTagger(6, 6, len(WORDS), len(TAGS))
loss_function = nn.NLLLoss()
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(30):
    total = 0.0
    for sentence, tags in TRAINING:
        model.zero_grad()
        scores = model(prepare(sentence, WORDS))
        loss = loss_function(scores, prepare(tags, TAGS))
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 4:
        print(epoch, total)
with torch.no_grad():
    print(model(prepare(TRAINING[0][0], WORDS)).argmax(1).tolist())
print(model)
