// The executable, as IR: what runtime/artifact/plan.fbs will hold, one op per table.

#ifndef MIRL_DIALECTS_PLAN_OPS
#define MIRL_DIALECTS_PLAN_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let summary = "The executable: memory, launches, and the host program";
  let description = [{
    What the runtime executes. Tensors have become slices of one arena, ops have become kernel
    launches over a range of independent work items, and the iteration has become a short list of host
    instructions. `docs/plan.md` says what everything means; `serialize-plan` writes it down.
  }];
  let cppNamespace = "::mirl::plan";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mirl::nn::NnDialect"];
}

def Plan_SliceType : TypeDef<Plan_Dialect, "Slice"> {
  let mnemonic = "slice";
  let summary = "a window on the arena that holds a tensor";
  let parameters = (ins "::mlir::RankedTensorType":$tensor);
  let assemblyFormat = "`<` $tensor `>`";
  let genVerifyDecl = 1;
}

def Plan_WorkAttr : AttrDef<Plan_Dialect, "Work"> {
  let mnemonic = "work";
  let summary = "factor · ceil(max(0, extent(axis) + size) / tile)";
  let description = [{
    The number of work items of a launch, or of trips of a loop.
    `#plan.work<context, size = 0, tile = 14, factor = 3>`; without an axis the extent is `size` alone.
  }];
  // axisNumber is a nn::Axis, or 0 for none.
  let parameters = (ins "int64_t":$axisNumber, "int64_t":$size, "int64_t":$tile, "int64_t":$factor);
  let builders = [AttrBuilder<(ins "::std::optional<::mirl::nn::Axis>":$axis, CArg<"int64_t", "0">:$size,
                                   CArg<"int64_t", "1">:$tile, CArg<"int64_t", "1">:$factor), [{
    return $_get($_ctxt, axis ? static_cast<int64_t>(*axis) : 0, size, tile, factor);
  }]>];
  let extraClassDeclaration = [{
    std::optional<::mirl::nn::Axis> getAxis() const {
      return getAxisNumber() ? std::optional(static_cast<::mirl::nn::Axis>(getAxisNumber())) : std::nullopt;
    }
  }];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Plan_AffineAttr : AttrDef<Plan_Dialect, "Affine"> {
  let mnemonic = "affine";
  let summary = "constant + context·C + token·R + sequence·S + group·G, as doubles";
  // The bits of the doubles: attributes are compared and hashed by them.
  let parameters = (ins "uint64_t":$bits0, "uint64_t":$bits1, "uint64_t":$bits2, "uint64_t":$bits3, "uint64_t":$bits4);
  let builders = [AttrBuilder<(ins "double":$constant, "double":$contexts, "double":$token, "double":$sequence,
                                   "double":$group), [{
    return $_get($_ctxt, llvm::bit_cast<uint64_t>(constant), llvm::bit_cast<uint64_t>(contexts),
                 llvm::bit_cast<uint64_t>(token), llvm::bit_cast<uint64_t>(sequence), llvm::bit_cast<uint64_t>(group));
  }]>];
  let extraClassDeclaration = [{
    double getConstant() const { return llvm::bit_cast<double>(getBits0()); }
    double getPerContext() const { return llvm::bit_cast<double>(getBits1()); }
    double getPerToken() const { return llvm::bit_cast<double>(getBits2()); }
    double getPerSequence() const { return llvm::bit_cast<double>(getBits3()); }
    double getPerGroup() const { return llvm::bit_cast<double>(getBits4()); }
  }];
  let hasCustomAssemblyFormat = 1;
}

def Plan_TensorMapAttr : AttrDef<Plan_Dialect, "TensorMap"> {
  let mnemonic = "tensor_map";
  let summary = "how the tensor memory accelerator sees an argument of a launch";
  let description = [{
    The tensor lies in the launch's argument `argument` (reads, then writes). Dimensions are innermost first: dimension d has
    extent(axes[d]) + sizes[d] elements (axis 0: sizes[d]), and its neighbours are strides[d - 1] bytes apart; the innermost
    one is contiguous. A copy moves `box` elements; `swizzle` is 0, 32, 64 or 128 bytes.
    `#plan.tensor_map<argument = 0, axes = [0, 1], sizes = [896, 0], strides = [1792], box = [64, 128], swizzle = 128>`
  }];
  let parameters = (ins "int64_t":$argument, "::mlir::DenseI64ArrayAttr":$axes, "::mlir::DenseI64ArrayAttr":$sizes,
                        "::mlir::DenseI64ArrayAttr":$strides, "::mlir::DenseI64ArrayAttr":$box, "int64_t":$swizzle);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Plan_ProductAttr : AttrDef<Plan_Dialect, "Product"> {
  let mnemonic = "product";
  let summary = "a matrix product that a library may compute in place of a launch's kernel";
  let description = [{
    result[i, j] = Σ_k left[i, k] · right[j, k] (+ bias[j]) (+ residual[i, j]) (+ result[i, j] if it accumulates), of row-major
    matrices. `left`, `right`, `result`, `bias` and `residual` are arguments of the launch (reads, then writes; -1: none);
    `axes` and `sizes` the extents of i, j and k, as in a tensor map. A transposed operand lies in memory as [k, i] or [k, j].
  }];
  let parameters = (ins "int64_t":$left, "int64_t":$right, "int64_t":$result, "int64_t":$bias, "int64_t":$residual,
                        "::mlir::DenseI64ArrayAttr":$axes, "::mlir::DenseI64ArrayAttr":$sizes, "bool":$left_transposed,
                        "bool":$right_transposed, "bool":$accumulate);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

defvar SymbolUser = DeclareOpInterfaceMethods<SymbolUserOpInterface>;

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

// --- entries ---------------------------------------------------------------------------------

def Plan_EntryOp : Plan_Op<"entry", [Symbol, IsolatedFromAbove, NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "a callable: buffers, inputs, commands, outputs, in order";
  let description = [{
    `kind` is an EntryKind of the schema; `capacities` the largest extent of each axis.
    After assign-memory `peak_bytes` says how much transient memory it needs.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$kind, DictionaryAttr:$capacities,
                       OptionalAttr<I64Attr>:$peak_bytes, OptionalAttr<ArrayAttr>:$fused);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
  let assemblyFormat = "$sym_name $kind $capacities attr-dict-with-keyword $body";
}

def Plan_BufferOp : Plan_Op<"buffer", [HasParent<"EntryOp">, SymbolUser]> {
  let summary = "the slice of a persistent tensor (nn.variable or plan.constant)";
  let arguments = (ins FlatSymbolRefAttr:$variable, OptionalAttr<I64Attr>:$offset);
  let results = (outs Plan_SliceType:$slice);
  let assemblyFormat = "$variable attr-dict `:` type($slice)";
}

def Plan_InputOp : Plan_Op<"input", [HasParent<"EntryOp">]> {
  let summary = "the slice of an input port; live from the start of the entry";
  let arguments = (ins StrAttr:$name, StrAttr:$source, OptionalAttr<I64Attr>:$offset);
  let results = (outs Plan_SliceType:$slice);
  let assemblyFormat = "$name `from` $source attr-dict `:` type($slice)";
}

def Plan_AllocOp : Plan_Op<"alloc", [HasParent<"EntryOp">]> {
  let summary = "a transient slice; live from its first to its last use";
  let arguments = (ins StrAttr:$name, OptionalAttr<I64Attr>:$offset);
  let results = (outs Plan_SliceType:$slice);
  let assemblyFormat = "$name attr-dict `:` type($slice)";
}

def Plan_OutputOp : Plan_Op<"output", [HasParent<"EntryOp">]> {
  let summary = "names a slice as an output port; it is live to the end of the entry";
  let arguments = (ins StrAttr:$name, StrAttr:$source, Plan_SliceType:$slice);
  let assemblyFormat = "$name `from` $source `,` $slice attr-dict `:` type($slice)";
}

def Plan_LaunchOp : Plan_Op<"launch", [AttrSizedOperandSegments]> {
  let summary = "run a kernel over [0, work)";
  let description = [{
    `reads` and `writes` are the slices the kernel gets, in this order; one that is both is in
    `writes` alone, with `updates` listing its index among the writes.
    `op` names the nn op it implements; `grain` is the least number of items worth a thread. `maps` are the tensor maps
    that a kernel on a GPU gets before the slices. `products` compute the same by cuBLASLt, one behind the other, with a
    `workspace` of its own; the runtime chooses (docs/cuda.md, "cuBLASLt"). `any_bits`: they need not have the kernel's bits.
    `early` lists the reads that the kernel may read before earlier launches of the entry have ended: buffers and inputs
    that no command of the entry writes.
    `pointwise`: what the kernel writes to a place of a slice is made of what it has read, before, from the same place of slices
    of that type, so a result may have the bytes of such a read that is used for the last time (assign-memory).
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Plan_SliceType>:$reads, Variadic<Plan_SliceType>:$writes,
                       Optional<Plan_SliceType>:$workspace, Plan_WorkAttr:$work, I64Attr:$grain, StrAttr:$op, DenseI64ArrayAttr:$updates,
                       Plan_AffineAttr:$flops, Plan_AffineAttr:$bytes,
                       OptionalAttr<TypedArrayAttrBase<Plan_TensorMapAttr, "tensor maps">>:$maps,
                       OptionalAttr<TypedArrayAttrBase<Plan_ProductAttr, "products">>:$products, UnitAttr:$any_bits,
                       OptionalAttr<DenseI64ArrayAttr>:$early, UnitAttr:$pointwise);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $kernel `reads` `(` ($reads^ `:` type($reads))? `)` `writes` `(` ($writes^ `:` type($writes))? `)`
    (`workspace` $workspace^ `:` type($workspace))? `over` $work attr-dict
  }];
}

def Plan_FillOp : Plan_Op<"fill"> {
  let summary = "set every byte of a slice to zero";
  let arguments = (ins Plan_SliceType:$slice);
  let assemblyFormat = "$slice attr-dict `:` type($slice)";
}

def Plan_CopyOp : Plan_Op<"copy"> {
  let summary = "copy a slice to another of the same type";
  let arguments = (ins Plan_SliceType:$from, Plan_SliceType:$to);
  let hasVerifier = 1;
  let assemblyFormat = "$from `to` $to attr-dict `:` type($from) `,` type($to)";
}

def Plan_LoopOp : Plan_Op<"loop", [NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "run the body `count` times; kernels see the trip as loop variable `index` (0 or 1)";
  let arguments = (ins Plan_WorkAttr:$count, I64Attr:$index);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
  let assemblyFormat = "$count `index` $index attr-dict-with-keyword $body";
}

def Plan_ConstantOp : Plan_Op<"constant", [Symbol]> {
  let summary = "a persistent tensor whose bytes are in the plan";
  let arguments = (ins SymbolNameAttr:$sym_name, ElementsAttr:$value);
  let hasVerifier = 1;
  let assemblyFormat = "$sym_name attr-dict $value";
}

def Plan_CodeOp : Plan_Op<"code"> {
  let summary = "the machine code of all kernels: an ELF shared object";
  let arguments = (ins StrAttr:$object, StrArrayAttr:$isa);
  let assemblyFormat = "attr-dict";
}

// --- what the entries are for ------------------------------------------------------------------

def Plan_PolicyOp : Plan_Op<"policy", [Symbol, SymbolUser]> {
  let summary = "a model with weights, and its entries";
  let description = [{
    `prefill_few`, `decode_few`: entries of kind prefill (decode) for fewer rows than `prefill` (`decode`) has room for; what a call
    gives is the same, whichever it is.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$model, StrAttr:$role, OptionalAttr<FlatSymbolRefAttr>:$prefill,
                       OptionalAttr<FlatSymbolRefAttr>:$decode,
                       OptionalAttr<TypedArrayAttrBase<FlatSymbolRefAttr, "entries">>:$prefill_few,
                       OptionalAttr<TypedArrayAttrBase<FlatSymbolRefAttr, "entries">>:$decode_few,
                       OptionalAttr<FlatSymbolRefAttr>:$score, I64Attr:$vocab_size, I64Attr:$max_context, I64Attr:$kv_slots,
                       DefaultValuedAttr<I64Attr, "0">:$kv_blocks);
  let hasVerifier = 1;
  let assemblyFormat = "$sym_name $model $role attr-dict";
}

def Plan_OptimizerOp : Plan_Op<"optimizer", [Symbol, SymbolUser]> {
  let summary = "an optimizer of a policy and when its state is reset";
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$policy, StrAttr:$reset);
  let hasVerifier = 1;
  let assemblyFormat = "$sym_name `of` $policy `reset` $reset attr-dict";
}

def Plan_StepOp : Plan_Op<"step", [Symbol, SymbolUser]> {
  let summary = "a training step: its three entries and what a micro-batch keeps whole";
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$trajectory, FlatSymbolRefAttr:$batch, FlatSymbolRefAttr:$micro,
                       FlatSymbolRefAttr:$apply, StrAttr:$packing, FlatSymbolRefAttr:$optimizer);
  let hasVerifier = 1;
  let assemblyFormat = "$sym_name `(` $trajectory `)` `batch` $batch `micro` $micro `apply` $apply `packing` $packing `by` $optimizer attr-dict";
}

def Plan_DatasetOp : Plan_Op<"dataset", [Symbol]> {
  let summary = "a file of JSON lines the program draws from";
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$path);
  let assemblyFormat = "$sym_name $path attr-dict";
}

def Plan_ParamOp : Plan_Op<"param", [Symbol]> {
  let summary = "a run-time parameter and its default";
  let arguments = (ins SymbolNameAttr:$sym_name, F64Attr:$value);
  let assemblyFormat = "$sym_name `=` $value attr-dict";
}

def Plan_ProgramOp : Plan_Op<"program", [NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "what one iteration does";
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
  let assemblyFormat = "attr-dict-with-keyword $body";
}

def Plan_HostOp : Plan_Op<"host", [NoTerminator, SymbolUser]> {
  let summary = "one instruction of the host program (docs/plan.md, \"Host program\")";
  let description = [{
    ```mlir
    plan.host "sample" ["x"] -> ["y"] {policy = "pi", n = 8.0, temperature = 1.0, max_tokens = 64.0}
    plan.host "repeat" [] -> [] {count = 4.0} { … }
    ```
    Values are named by strings; numbers are f64, everything else is a string.
  }];
  let arguments = (ins StrAttr:$instruction, StrArrayAttr:$operandNames, StrArrayAttr:$resultNames, DictionaryAttr:$settings);
  let regions = (region MaxSizedRegion<1>:$body);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $instruction $operandNames `->` $resultNames $settings attr-dict-with-keyword custom<Body>($body)
  }];
}

#endif // MIRL_DIALECTS_PLAN_OPS
