#include "passes/Passes.h"
namespace mirl::passes {
#define GEN_PASS_DEF_RLTONN
#include "passes/Passes.h.inc"
namespace {
class RlToNn : public impl::RlToNnBase<RlToNn> { public: using RlToNnBase::RlToNnBase; void runOnOperation() override {} };
}
}
