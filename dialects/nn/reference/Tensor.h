// The reference interpreter's tensor: row-major doubles.

#ifndef MIRL_DIALECTS_NN_REFERENCE_TENSOR_H
#define MIRL_DIALECTS_NN_REFERENCE_TENSOR_H

#include <cstdint>
#include <vector>

namespace mirl::nn::reference {

// Extents of the four axes in one evaluation.
struct Extents {
  int64_t context = 0, token = 0, sequence = 0, group = 0;
};

struct Tensor {
  std::vector<int64_t> shape; // empty: rank 0, one element
  std::vector<double> data;   // integers are held exactly

  int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
  int64_t columns() const { // elements of a row
    int64_t n = 1;
    for (size_t i = 1; i < shape.size(); ++i)
      n *= shape[i];
    return n;
  }
};

} // namespace mirl::nn::reference

#endif // MIRL_DIALECTS_NN_REFERENCE_TENSOR_H
