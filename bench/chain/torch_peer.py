"""The PyTorch side of the comparison: the same model, rollout and training step, written for speed on the CPU.

A Qwen2-shaped decoder (RMSNorm, rotary, grouped-query attention, SwiGLU, f32). Rollout: one batch, a preallocated KV
cache, finished rows dropped from the batch now and then. Training: padded batches, one forward and backward and one AdamW step.
Works with PyTorch 1.13 (Debian) and later.
"""

import time

import torch
import torch.nn.functional as F


class Model(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        d, self.layers = config["hidden_size"], config["num_hidden_layers"]
        self.heads, self.kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        self.head_dim, ff, vocabulary = d // self.heads, config["intermediate_size"], config["vocab_size"]
        self.eps = config["rms_norm_eps"]
        new = lambda *shape: torch.nn.Parameter(torch.randn(*shape) * shape[-1] ** -0.5)
        ones = lambda: torch.nn.Parameter(torch.ones(d))
        self.embedding, self.head, self.norm = new(vocabulary, d), new(vocabulary, d), ones()
        width = (self.heads + 2 * self.kv_heads) * self.head_dim
        lists = torch.nn.ParameterList
        self.norm1, self.norm2 = lists(ones() for _ in range(self.layers)), lists(ones() for _ in range(self.layers))
        # Projections of one input are one product: faster here than three.
        self.qkv = lists(new(width, d) for _ in range(self.layers))
        self.qkv_bias = lists(torch.nn.Parameter(torch.zeros(width)) for _ in range(self.layers))
        self.out = lists(new(d, d) for _ in range(self.layers))
        self.gate_up = lists(new(2 * ff, d) for _ in range(self.layers))
        self.down = lists(new(d, ff) for _ in range(self.layers))
        angle = torch.arange(config["max_position_embeddings"])[:, None] * config["rope_theta"] ** (
            -torch.arange(0, self.head_dim, 2) / self.head_dim)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def rms(self, x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * weight

    def forward(self, ids, mask, cache=None, start=0):
        """ids B×T; mask broadcastable to B×1×T×S, added to the scores. Returns the normed hidden states."""
        batch, length = ids.shape
        cos, sin = self.cos[start:start + length], self.sin[start:start + length]
        half, group = self.head_dim // 2, self.heads // self.kv_heads

        def rotate(t):
            a, b = t[..., :half], t[..., half:]
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        x = F.embedding(ids, self.embedding)
        for l in range(self.layers):
            y = F.linear(self.rms(x, self.norm1[l]), self.qkv[l], self.qkv_bias[l])
            y = y.view(batch, length, -1, self.head_dim).transpose(1, 2)
            q, k, v = y.split([self.heads, self.kv_heads, self.kv_heads], 1)
            q, k = rotate(q), rotate(k)
            if cache is not None:
                keys, values = cache[l]
                keys[:, :, start:start + length], values[:, :, start:start + length] = k, v
                k, v = keys[:, :, :start + length], values[:, :, :start + length]
            q = q.reshape(batch, self.kv_heads, group * length, self.head_dim)
            scores = (q @ k.transpose(-1, -2)) * self.head_dim ** -0.5
            scores = (scores.view(batch, self.heads, length, -1) + mask).view(batch, self.kv_heads, group * length, -1)
            a = (scores.softmax(-1) @ v).view(batch, self.heads, length, self.head_dim)
            x = x + F.linear(a.transpose(1, 2).reshape(batch, length, -1), self.out[l])
            gate, up = F.linear(self.rms(x, self.norm2[l]), self.gate_up[l]).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, self.down[l])
        return self.rms(x, self.norm)


@torch.no_grad()
def rollout(model, prompts, new_tokens, lengths):
    """Samples a response to each prompt (equal lengths). Row i ends after lengths[i] tokens, so that both sides generate the
    same number of tokens. Returns (tokens generated, seconds)."""
    started = time.perf_counter()
    batch, prompt = prompts.shape
    cache = [(torch.zeros(batch, model.kv_heads, prompt + new_tokens, model.head_dim),
              torch.zeros(batch, model.kv_heads, prompt + new_tokens, model.head_dim)) for _ in range(model.layers)]
    causal = torch.full((prompt, prompt), float("-inf")).triu(1)
    hidden = model(prompts, causal, cache)[:, -1]
    left, nothing, log_probs = lengths.clone(), torch.zeros(1, 1, 1, 1), []
    for step in range(new_tokens):
        logp = F.linear(hidden, model.head).log_softmax(-1)
        token = torch.multinomial(logp.exp(), 1)
        log_probs.append(logp.gather(1, token))
        left -= 1
        if not (left > 0).any():
            break
        if step % 8 == 7 and (left > 0).float().mean() < 0.8:
            keep = (left > 0).nonzero()[:, 0]
            left, token = left[keep], token[keep]
            cache = [(k[keep], v[keep]) for k, v in cache]
        hidden = model(token, nothing, cache, prompt + step)[:, -1]
    return int(lengths.sum()), time.perf_counter() - started


def train_step(model, optimizer, ids, response_mask, advantage, recorded, tau):
    """One mirror-descent update on a padded batch B×T. response_mask marks the targets (B×(T-1))."""
    length = ids.shape[1] - 1
    causal = torch.full((length, length), float("-inf")).triu(1)
    logp = F.linear(model(ids[:, :-1], causal), model.head).log_softmax(-1)
    logp = (logp.gather(-1, ids[:, 1:, None])[..., 0] * response_mask).sum(1)
    delta = logp - recorded
    loss = (-advantage * logp + tau / 2 * delta * delta).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def training_speed(model, lengths, prompt, batch, passes, seed=0):
    """Tokens (prompt + response, without padding) per second over `passes` updates on sequences of these response lengths."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, betas=(0.9, 0.95), weight_decay=0.01)
    batches = []
    for start in range(0, len(lengths), batch):
        rows = lengths[start:start + batch]
        width = prompt + int(rows.max())
        ids = torch.randint(0, model.embedding.shape[0], (len(rows), width), generator=generator)
        position = torch.arange(width - 1)
        mask = ((position >= prompt - 1) & (position < prompt - 1 + rows[:, None])).float()
        batches.append((ids, mask, torch.randn(len(rows), generator=generator), torch.zeros(len(rows))))
    train_step(model, optimizer, *batches[0], 0.1)
    started = time.perf_counter()
    for _ in range(passes):
        for arguments in batches:
            train_step(model, optimizer, *arguments, 0.1)
    tokens = passes * (int(lengths.sum()) + prompt * len(lengths))
    return tokens / (time.perf_counter() - started)
