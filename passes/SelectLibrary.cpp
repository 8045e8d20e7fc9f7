// select-library: products that cuBLASLt may compute say so.
//
// In: nn entries after group-launches, for a GPU. Out: every product that `pattern` (a glob) names
// and a library can compute carries `nn.library`, with `any-bits` also `nn.any_bits`; the products
// of a group carry it together, if one of them is named. A product's name is ENTRY/KIND/NxK with
// the weight's shape, KIND one of linear, data_grad and weight_grad:
// `train.micro/weight_grad/896x4864`.
//
// Left alone is what no library computes (LibraryProducts.h): a product fused with an elementwise
// program, logits that are sampled from, sums of f32 and, unless any bits will do, a residual. When
// nothing is left to mark, that is an error which says why.
//
// After group-launches, because a group is one launch, and only then it is known what is fused.

#include "passes/LibraryProducts.h"
#include "passes/Passes.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/GlobPattern.h"

namespace mirl::passes {
#define GEN_PASS_DEF_SELECTLIBRARY
#include "passes/Passes.h.inc"
} // namespace mirl::passes

using namespace mlir;

namespace mirl::passes {
namespace {

constexpr size_t kMostNames = 12; // in an error

struct SelectLibrary : impl::SelectLibraryBase<SelectLibrary> {
  using SelectLibraryBase::SelectLibraryBase;

  void mark(ArrayRef<Operation *> ops) {
    for (Operation *op : ops) {
      op->setAttr(kLibraryAttr, StringAttr::get(op->getContext(), kCublasLt));
      if (anyBits)
        op->setAttr(kAnyBitsAttr, UnitAttr::get(op->getContext()));
    }
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto glob = llvm::GlobPattern::create(pattern);
    if (!glob) {
      module.emitError() << "select-library: '" << pattern
                         << "' is no pattern: " << llvm::toString(glob.takeError());
      return signalPassFailure();
    }
    llvm::SetVector<StringRef> known;
    std::vector<std::string> names; // whose text `known` refers to
    std::optional<GroupFault> fault;
    bool any = false;
    for (auto function : module.getOps<func::FuncOp>()) {
      if (!function->hasAttr(nn::attr::kKind) || !llvm::hasSingleElement(function.getBody()))
        continue;
      Operation *op = &function.front().front();
      while (op) {
        SmallVector<Operation *> ops = {op};
        Attribute group = op->getAttr(kGroupAttr);
        for (op = op->getNextNode(); group && op && op->getAttr(kGroupAttr) == group;
             op = op->getNextNode())
          ops.push_back(op);
        bool named = false;
        for (Operation *product : ops) {
          std::string name = productName(product);
          if (name.empty())
            continue;
          named |= glob->match(name = (function.getSymName() + "/" + name).str());
          names.push_back(std::move(name));
        }
        if (!named)
          continue;
        if (std::optional<GroupFault> found = serviceFault(ops, anyBits)) {
          fault = fault ? fault : found;
          continue;
        }
        mark(ops);
        any = true;
      }
    }
    if (any)
      return;
    signalPassFailure();
    if (fault) {
      fault->op->emitOpError()
          << fault->requirement
          << ", so that a library may compute it; nothing else is named by the pattern '" << pattern
          << "'";
      return;
    }
    for (const std::string &name : names)
      known.insert(name);
    InFlightDiagnostic error = module.emitError() << "select-library: the pattern '" << pattern
                                                  << "' names no product; ";
    if (known.empty())
      error << "the program has none";
    else
      error << "there are " << llvm::join(known.getArrayRef().take_front(kMostNames), ", ")
            << (known.size() > kMostNames ? ", …" : "");
  }
};

} // namespace
} // namespace mirl::passes
