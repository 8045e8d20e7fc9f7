// Reference semantics of NnScalarOps.td: plain loops in float64.

#include "dialects/nn/Nn.h"
#include "dialects/nn/reference/Shapes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace mirl::nn;
using reference::extentOf;
using reference::Extents;
using reference::filled;
using reference::Tensor;

static int64_t at(const Tensor &t, int64_t i) { return static_cast<int64_t>(t.data[i]); }

LogicalResult SplatOp::evaluate(ArrayRef<Tensor>, SmallVectorImpl<Tensor> &results, const Extents &extents) {
  results.push_back(filled(getResult().getType(), extents, getValue().convertToFloat()));
  return success();
}

LogicalResult UnaryOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out = in[0];
  for (double &x : out.data)
    switch (getKind()) {
    case UnaryKind::neg:
      x = -x;
      break;
    case UnaryKind::exp:
      x = std::exp(x);
      break;
    case UnaryKind::log:
      x = std::log(x);
      break;
    case UnaryKind::sqrt:
      x = std::sqrt(x);
      break;
    case UnaryKind::rsqrt:
      x = 1 / std::sqrt(x);
      break;
    case UnaryKind::abs:
      x = std::fabs(x);
      break;
    case UnaryKind::sigmoid:
      x = 1 / (1 + std::exp(-x));
      break;
    case UnaryKind::silu:
      x = x / (1 + std::exp(-x));
      break;
    case UnaryKind::tanh:
      x = std::tanh(x);
      break;
    case UnaryKind::log_sigmoid:
      x = std::min(x, 0.0) - std::log1p(std::exp(-std::fabs(x)));
      break;
    case UnaryKind::square:
      x = x * x;
      break;
    }
  results.push_back(std::move(out));
  return success();
}

LogicalResult BinaryOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out = in[0];
  for (size_t i = 0; i < out.data.size(); ++i) {
    double x = in[0].data[i], y = in[1].data[i];
    switch (getKind()) {
    case BinaryKind::add:
      out.data[i] = x + y;
      break;
    case BinaryKind::sub:
      out.data[i] = x - y;
      break;
    case BinaryKind::mul:
      out.data[i] = x * y;
      break;
    case BinaryKind::div:
      out.data[i] = x / y;
      break;
    case BinaryKind::min:
      out.data[i] = std::min(x, y);
      break;
    case BinaryKind::max:
      out.data[i] = std::max(x, y);
      break;
    }
  }
  results.push_back(std::move(out));
  return success();
}

LogicalResult CompareOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out = in[0];
  for (size_t i = 0; i < out.data.size(); ++i) {
    double x = in[0].data[i], y = in[1].data[i];
    bool holds = false;
    switch (getKind()) {
    case CompareKind::eq:
      holds = x == y;
      break;
    case CompareKind::ne:
      holds = x != y;
      break;
    case CompareKind::lt:
      holds = x < y;
      break;
    case CompareKind::le:
      holds = x <= y;
      break;
    case CompareKind::gt:
      holds = x > y;
      break;
    case CompareKind::ge:
      holds = x >= y;
      break;
    }
    out.data[i] = holds;
  }
  results.push_back(std::move(out));
  return success();
}

LogicalResult SelectOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out = in[0];
  for (size_t i = 0; i < out.data.size(); ++i)
    out.data[i] = in[0].data[i] != 0 ? in[1].data[i] : in[2].data[i];
  results.push_back(std::move(out));
  return success();
}

// Exact: how far a rounding may be off is what a test's tolerance says.
LogicalResult CastOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  results.push_back(in[0]);
  return success();
}

LogicalResult StopGradientOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  results.push_back(in[0]);
  return success();
}

LogicalResult SpreadOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &extents) {
  results.push_back(filled(getResult().getType(), extents, in[0].data[0]));
  return success();
}

LogicalResult SegmentSpreadOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out;
  for (int64_t s = 0; s < in[0].rows(); ++s)
    out.data.insert(out.data.end(), at(in[1], s + 1) - at(in[1], s), in[0].data[s]);
  out.shape = {static_cast<int64_t>(out.data.size())};
  results.push_back(std::move(out));
  return success();
}

// One value of a reduction of [begin, end) that starts from `start`.
static double reduceRange(ReduceKind kind, const Tensor &x, int64_t begin, int64_t end, double start) {
  for (int64_t i = begin; i < end; ++i)
    start = kind == ReduceKind::sum ? start + x.data[i] : kind == ReduceKind::max ? std::max(start, x.data[i]) : std::min(start, x.data[i]);
  return start;
}

static double neutral(ReduceKind kind) {
  return kind == ReduceKind::sum ? 0 : kind == ReduceKind::max ? -INFINITY : INFINITY;
}

LogicalResult SegmentReduceOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out;
  for (int64_t s = 0; s + 1 < in[1].rows(); ++s)
    out.data.push_back(reduceRange(getKind(), in[0], at(in[1], s), at(in[1], s + 1), neutral(getKind())));
  out.shape = {static_cast<int64_t>(out.data.size())};
  results.push_back(std::move(out));
  return success();
}

LogicalResult SegmentCountOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  Tensor out;
  for (int64_t s = 0; s + 1 < in[0].rows(); ++s)
    out.data.push_back(in[0].data[s + 1] - in[0].data[s]);
  out.shape = {static_cast<int64_t>(out.data.size())};
  results.push_back(std::move(out));
  return success();
}

LogicalResult ReduceOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &) {
  double start = getInto() ? in[1].data[0] : neutral(getKind());
  results.push_back({{}, {reduceRange(getKind(), in[0], 0, in[0].rows(), start)}});
  return success();
}

LogicalResult ExtentOp::evaluate(ArrayRef<Tensor>, SmallVectorImpl<Tensor> &results, const Extents &extents) {
  results.push_back({{}, {static_cast<double>(extentOf(getAxis().getAxis(), extents))}});
  return success();
}

LogicalResult FusedOp::evaluate(ArrayRef<Tensor> in, SmallVectorImpl<Tensor> &results, const Extents &extents) {
  Block &body = getBody().front();
  for (Value result : getResults())
    results.push_back(filled(result.getType(), extents));
  llvm::DenseMap<Value, double> values;
  for (size_t i = 0; i < results.front().data.size(); ++i) {
    for (auto [k, argument] : llvm::enumerate(body.getArguments()))
      values[argument] = in[k].data[in[k].shape.empty() ? 0 : i];
    for (Operation &op : body.without_terminator()) {
      auto x = [&](unsigned k) { return values[op.getOperand(k)]; };
      std::optional<double> value =
          llvm::TypeSwitch<Operation *, std::optional<double>>(&op)
              .Case([&](arith::ConstantOp c) { return cast<FloatAttr>(c.getValue()).getValueAsDouble(); })
              .Case([&](arith::AddFOp) { return x(0) + x(1); })
              .Case([&](arith::SubFOp) { return x(0) - x(1); })
              .Case([&](arith::MulFOp) { return x(0) * x(1); })
              .Case([&](arith::DivFOp) { return x(0) / x(1); })
              .Case([&](arith::TruncFOp) { return x(0); })
              .Case([&](arith::ExtFOp) { return x(0); })
              .Case([&](arith::NegFOp) { return -x(0); })
              .Case([&](arith::MaximumFOp) { return std::max(x(0), x(1)); })
              .Case([&](arith::MinimumFOp) { return std::min(x(0), x(1)); })
              .Case([&](arith::SelectOp) { return x(0) != 0 ? x(1) : x(2); })
              .Case([&](arith::CmpFOp c) -> double {
                switch (c.getPredicate()) {
                case arith::CmpFPredicate::OEQ:
                  return x(0) == x(1);
                case arith::CmpFPredicate::UNE:
                  return x(0) != x(1);
                case arith::CmpFPredicate::OLT:
                  return x(0) < x(1);
                case arith::CmpFPredicate::OLE:
                  return x(0) <= x(1);
                case arith::CmpFPredicate::OGT:
                  return x(0) > x(1);
                default:
                  return x(0) >= x(1);
                }
              })
              .Case([&](math::ExpOp) { return std::exp(x(0)); })
              .Case([&](math::LogOp) { return std::log(x(0)); })
              .Case([&](math::Log1pOp) { return std::log1p(x(0)); })
              .Case([&](math::SqrtOp) { return std::sqrt(x(0)); })
              .Case([&](math::RsqrtOp) { return 1 / std::sqrt(x(0)); })
              .Case([&](math::TanhOp) { return std::tanh(x(0)); })
              .Case([&](math::AbsFOp) { return std::fabs(x(0)); })
              .Case([&](math::FmaOp) { return x(0) * x(1) + x(2); })
              .Default([](Operation *) { return std::nullopt; });
      if (!value)
        return op.emitOpError("has no reference definition inside nn.fused");
      values[op.getResult(0)] = *value;
    }
    for (auto [k, yielded] : llvm::enumerate(body.getTerminator()->getOperands()))
      results[k].data[i] = values[yielded];
  }
  return success();
}
