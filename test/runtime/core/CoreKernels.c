// The kernels of the plan in CorePlan.h, with the ABI of docs/plan.md.

#include <stdint.h>

enum { kColumns = 8, kTile = 4 };

// {x [token, 8], scale, y [token, 8]}: y = x times its row's sum times the scale. An item is four
// rows; the sum is a chain, whose bits would tell if anything else than whole items were cut.
void core_rows(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  const float *x = b[0], *scale = b[1];
  float *y = b[2];
  for (int64_t r = begin * kTile; r < end * kTile && r < dims[1]; ++r) {
    float sum = 0;
    for (int64_t c = 0; c < kColumns; ++c)
      sum += x[r * kColumns + c];
    for (int64_t c = 0; c < kColumns; ++c)
      y[r * kColumns + c] = x[r * kColumns + c] * sum * *scale;
  }
}

// {trace [64], count}: notes both loop variables of every call.
void core_trace(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  (void)begin;
  (void)end;
  int32_t *trace = b[0], *count = b[1];
  if (*count < 64)
    trace[*count] = (int32_t)(dims[4] * 10 + dims[5]);
  ++*count;
}

// {ids [context], table [16, 4], y [context, 4]}
void core_lookup(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  (void)dims;
  const int32_t *ids = b[0];
  const float *table = b[1];
  float *y = b[2];
  for (int64_t c = begin; c < end; ++c)
    for (int64_t i = 0; i < 4; ++i)
      y[c * 4 + i] = table[ids[c] * 4 + i];
}

// {x [token], token_offsets, group_offsets, reward [sequence], tau, iteration, sums [sequence],
//  best [group]}
void core_sums(void *const *b, const int64_t *dims, int64_t begin, int64_t end) {
  (void)begin;
  (void)end;
  const float *x = b[0], *reward = b[3], *tau = b[4], *iteration = b[5];
  const int32_t *tokens = b[1], *groups = b[2];
  float *sums = b[6], *best = b[7];
  for (int64_t s = 0; s < dims[2]; ++s) {
    sums[s] = reward[s] * *tau + *iteration;
    for (int32_t r = tokens[s]; r < tokens[s + 1]; ++r)
      sums[s] += x[r];
  }
  for (int64_t g = 0; g < dims[3]; ++g) {
    best[g] = -1000;
    for (int32_t s = groups[g]; s < groups[g + 1]; ++s)
      best[g] = sums[s] > best[g] ? sums[s] : best[g];
  }
}
