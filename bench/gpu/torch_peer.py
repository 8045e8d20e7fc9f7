"""PyTorch's side of training.py and rollout.py: transformers' Qwen2 with random weights, compiled."""

import time

import torch
import torch.nn.functional as F
from transformers import Qwen2Config, Qwen2ForCausalLM, StaticCache

import model

TAU = 0.1


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def make(size, dtype, device):
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    config = Qwen2Config(**{k: v for k, v in model.shape(size).items() if k not in ("architectures", "model_type")},
                         attn_implementation="sdpa")
    with torch.device(device):
        return Qwen2ForCausalLM(config).to(dtype)


class Training:
    """Mirror descent's update (Kimi k1.5, the gradient of section 2.3), by torch.compile."""

    def __init__(self, size, weights, device):
        self.device, self.mixed = device, weights == "f32"
        self.net = make(size, torch.float32 if self.mixed else torch.bfloat16, device).train()
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-6, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
        self.loss = torch.compile(self._loss)

    def _loss(self, ids, mask, recorded, advantage):
        """ids B×T; mask B×(T−1) marks the response's targets; recorded and advantage B."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.mixed):
            hidden = self.net.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
            logits = self.net.lm_head(hidden).float()
        logp = -F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view_as(mask)
        logp = (logp * mask).sum(1)
        delta = logp - recorded
        return (-advantage * logp + TAU / 2 * delta * delta).mean()

    def step(self, sequences, length, prompt, micro):
        """Seconds of one update on `sequences` × `length` tokens, `micro` sequences at a time."""
        vocabulary = self.net.config.vocab_size
        ids = torch.randint(0, vocabulary, (sequences, length), device=self.device)
        mask = (torch.arange(length - 1, device=self.device) >= prompt - 1).float().expand(micro, -1)
        recorded = torch.full((micro,), -10.0 * (length - prompt), device=self.device)
        advantage = torch.linspace(-1, 1, micro, device=self.device)
        synchronize(self.device)
        started = time.perf_counter()
        for part in ids.split(micro):
            n = len(part)
            (self.loss(part, mask[:n], recorded[:n], advantage[:n]) * (n / sequences)).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        synchronize(self.device)
        return time.perf_counter() - started

    def peak(self):
        return torch.cuda.max_memory_reserved() // 2**20 if self.device == "cuda" else None


class Generation:
    """Sampling with a static cache: prefill eager, a decode step compiled, as a CUDA graph on a GPU. Faster than
    transformers' generate(), which it would take the place of."""

    def __init__(self, size, device):
        self.device = device
        self.net, self.cache = make(size, torch.bfloat16, device).eval(), None
        self.decode = torch.compile(self._decode, mode="reduce-overhead" if device == "cuda" else None, fullgraph=True)

    def _decode(self, token, position, cache):
        """token B×1; position 1. Returns the next token, B×1, and its log-prob, B."""
        logits = self.net(input_ids=token, past_key_values=cache, cache_position=position,
                          position_ids=position.expand(len(token), 1)).logits[:, -1].float()
        return self.draw(logits)

    def draw(self, logits):
        logp = logits.log_softmax(-1)
        # The largest of log-prob plus Gumbel's noise is a draw of the distribution, without a cumulative sum.
        noise = -torch.log(-torch.log(torch.rand_like(logp).clamp_(1e-20, 1 - 1e-7)))
        token = (logp + noise).argmax(-1, keepdim=True)
        return token, logp.gather(1, token)[:, 0]

    @torch.no_grad()
    def run(self, sequences, prompt, new):
        """Seconds for `new` tokens of each of `sequences` after prompts of `prompt` tokens."""
        ids = torch.randint(0, self.net.config.vocab_size, (sequences, prompt), device=self.device)
        # One cache for all rounds: a CUDA graph is of its addresses.
        if self.cache is None:
            self.cache = StaticCache(config=self.net.config, max_cache_len=prompt + new)
        cache, positions = self.cache, torch.arange(prompt + new, device=self.device)
        cache.reset()
        synchronize(self.device)
        started = time.perf_counter()
        logits = self.net(input_ids=ids, past_key_values=cache, cache_position=positions[:prompt],
                          logits_to_keep=1).logits[:, -1].float()
        token, _ = self.draw(logits)
        tokens, log_probs = [token], []
        for i in range(new - 1):
            if self.device == "cuda":
                torch.compiler.cudagraph_mark_step_begin()
            token, logp = self.decode(token, positions[prompt + i:prompt + i + 1], cache)
            token = token.clone()
            tokens.append(token)
            log_probs.append(logp.clone())
        synchronize(self.device)
        return time.perf_counter() - started
