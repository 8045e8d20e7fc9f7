// The kernels of the toy model (ToyPlan.h), with the ABI of docs/plan.md. Each does all its work in
// one item. Everything is in whole numbers until the last division, so that the tests can compute
// the same bits.

#include <stdint.h>

enum { kVocabulary = 8, kContext = 32, kBlock = 16 };

static uint32_t philox(uint32_t step, uint64_t id, uint64_t seed) {
  uint32_t c0 = step, c1 = 0, c2 = (uint32_t)id, c3 = (uint32_t)(id >> 32);
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = (uint64_t)0xD2511F53 * c0, p1 = (uint64_t)0xCD9E8D57 * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c0;
}

// The unnormalised weight of token v after a history with this hash; its parameter is w[v].
static int64_t mass(int64_t hash, int v, const float *w) {
  return 1 + (hash * 31 + v * 17 + (int64_t)w[v]) % 97;
}

// Where the cache has position p of a slot.
static int64_t place(const int32_t *table, int64_t slot, int64_t p) {
  return (int64_t)table[slot * (kContext / kBlock) + p / kBlock] * kBlock + p % kBlock;
}

// {ids, positions, slots, rows, sequence_ids, steps, seed, temperature, w, keys, values, table,
// token, logprob}
void toy_sample(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  (void)begin;
  (void)end;
  const int32_t *ids = b[0], *positions = b[1], *slots = b[2], *rows = b[3], *steps = b[5];
  const int64_t *sequence_ids = b[4], *seed = b[6];
  const float *temperature = b[7], *w = b[8];
  float *keys = b[9], *values = b[10], *logprob = b[13];
  const int32_t *table = b[11];
  int32_t *token = b[12];
  for (int64_t c = 0; c < dims[0]; ++c) {
    int64_t at = place(table, slots[c], positions[c]);
    keys[at] = (float)(ids[c] + 1);
    values[at] = (float)(ids[c] * positions[c]);
  }
  for (int64_t r = 0; r < dims[1]; ++r) {
    int64_t c = rows[r], hash = 0, total = 0;
    for (int64_t j = 0; j <= positions[c]; ++j) {
      int64_t at = place(table, slots[c], j);
      hash += (int64_t)keys[at] * (j + 1) + (int64_t)values[at] * 3;
    }
    for (int v = 0; v < kVocabulary; ++v)
      total += mass(hash, v, w);
    float u = (float)(philox((uint32_t)steps[r], (uint64_t)sequence_ids[r], (uint64_t)*seed) >> 8) *
              0x1p-24f;
    int chosen = -1;
    int64_t sum = 0, best = 0;
    for (int v = 0; v < kVocabulary; ++v) {
      int64_t m = mass(hash, v, w);
      sum += m;
      if (*temperature > 0 ? chosen < 0 && (float)sum > u * (float)total : m > best) {
        chosen = v;
        best = m;
      }
    }
    token[r] = chosen < 0 ? kVocabulary - 1 : chosen;
    logprob[r] = (float)mass(hash, token[r], w) / (float)total;
  }
}

// {group_offsets, reward, advantage, count, loss, gradient, micro}: advantage = reward - its
// group's mean
void toy_batch(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  (void)begin;
  (void)end;
  const int32_t *groups = b[0];
  const float *reward = b[1];
  float *advantage = b[2], *count = b[3], *loss = b[4], *gradient = b[5], *micro = b[6];
  for (int64_t g = 0; g < dims[3]; ++g) {
    float sum = 0;
    for (int32_t s = groups[g]; s < groups[g + 1]; ++s)
      sum += reward[s];
    for (int32_t s = groups[g]; s < groups[g + 1]; ++s)
      advantage[s] = reward[s] - sum / (float)(groups[g + 1] - groups[g]);
  }
  *count = (float)dims[1];
  *loss = 0;
  *micro = 0;
  for (int v = 0; v < kVocabulary; ++v)
    gradient[v] = 0;
}

// {ids, sequence_offsets, rows, targets, token_offsets, old, advantage, count, scale, w, loss,
//  gradient, logprob, micro}
void toy_micro(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  (void)begin;
  (void)end;
  const int32_t *ids = b[0], *sequences = b[1], *rows = b[2], *targets = b[3], *tokens = b[4];
  const float *old = b[5], *advantage = b[6], *count = b[7], *scale = b[8], *w = b[9];
  float *loss = b[10], *gradient = b[11], *logprob = b[12], *micro = b[13];
  (void)old;
  for (int64_t s = 0; s < dims[2]; ++s) {
    for (int32_t r = tokens[s]; r < tokens[s + 1]; ++r) {
      int64_t hash = 0, total = 0;
      for (int64_t c = sequences[s]; c <= rows[r]; ++c) {
        int64_t j = c - sequences[s];
        hash += (int64_t)(ids[c] + 1) * (j + 1) + (int64_t)ids[c] * j * 3;
      }
      for (int v = 0; v < kVocabulary; ++v)
        total += mass(hash, v, w);
      logprob[r] = (float)mass(hash, targets[r], w) / (float)total;
      *loss += -advantage[s] * logprob[r] * *scale / *count;
      gradient[targets[r]] += advantage[s];
    }
  }
  *micro += 1;
}

// {iteration, iterations, gradient, w, state, updates}
void toy_apply(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  (void)dims;
  (void)begin;
  (void)end;
  const float *gradient = b[2];
  float *w = b[3], *state = b[4], *updates = b[5];
  // Whole steps, so that masses stay whole numbers.
  for (int v = 0; v < kVocabulary; ++v)
    w[v] += gradient[v] > 0 ? 5.0f : 0.0f;
  *state += 1;
  *updates = *state;
}

// {correct, finished, reward}
void toy_reward(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  (void)begin;
  (void)end;
  const float *correct = b[0], *finished = b[1];
  float *reward = b[2];
  for (int64_t s = 0; s < dims[2]; ++s)
    reward[s] = 2 * correct[s] + 0.5f * finished[s];
}
