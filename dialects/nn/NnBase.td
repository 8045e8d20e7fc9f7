#ifndef MIRL_DIALECTS_NN_BASE
#define MIRL_DIALECTS_NN_BASE

include "NnAttributes.td"
include "NnInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

defvar Differentiable = DeclareOpInterfaceMethods<Nn_DifferentiableOpInterface>;
defvar Reference = DeclareOpInterfaceMethods<Nn_ReferenceOpInterface>;
defvar InPlace = DeclareOpInterfaceMethods<Nn_InPlaceOpInterface>;

class Nn_Op<string mnemonic, list<Trait> traits = []> : Op<Nn_Dialect, mnemonic, traits>;

// A pure op on tensors, printed as `nn.name %a, %b {attrs} : (types) -> type`.
class Nn_TensorOp<string mnemonic, list<Trait> traits = []>
    : Nn_Op<mnemonic, !listconcat([Pure, Reference], traits)> {
  let hasVerifier = 1;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

// Element types: activations and parameters are f32 or bf16, everything scalar is f32.
def Nn_Float : AnyTypeOf<[F32, BF16]>;
def Nn_Tensor : RankedTensorOf<[Nn_Float]>;
def Nn_Scalars : RankedTensorOf<[F32]>;      // per-row scalars, or rank 0
def Nn_Indices : 1DTensorOf<[I32]>;
// Numbers of the blocks of a KV cache: slots × blocks of a sequence.
def Nn_BlockTable : RankedTensorOf<[I32]>;
def Nn_Ids : 1DTensorOf<[I64]>;

#endif // MIRL_DIALECTS_NN_BASE
