#!/usr/bin/env bash
# Fills a folder with everything that run.sh needs on a machine with a GPU: prepare.sh BIN FOLDER [--small]. BIN holds mirl,
# mirlc and mirl-gpu-products. Needs ptxas (pip install nvidia-cuda-nvcc), but no GPU. With MIRL_GPU_MODULE=ptx the plans hold PTX,
# which needs no ptxas. --small: without what `compare.py --small` leaves out.
set -euo pipefail
[ $# -eq 2 ] || [ "${*:3}" = --small ] || { sed -n '2,4p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$1 folder=$2 small=${3:-} chain=$root/examples/chain
mkdir -p "$folder/bin" "$folder/lib"
cp "$bin/mirl" "$folder/bin/"
# Libraries that another distribution does not have in these versions; not the C library and what belongs to it.
ldd "$bin/mirl" | awk '$3 ~ /^\// {print $3}' | grep -Ev '/(libc|libm|libgcc_s|libstdc\+\+|libpthread|libdl|ld-linux[^/]*)\.so' |
  xargs -I{} cp -L {} "$folder/lib/"
cp "$root"/test/gpu/*.py "$root"/test/gpu/{run,sanitize}.sh "$folder/"
python3 "$chain/generate.py" "$folder/data" --seed 0 >/dev/null
# Heads of 64 numbers, whose attention runs on the tensor cores in training, prefill and decoding; a head that is not zero.
mkdir -p "$folder/model64" "$folder/products"
sed -e 's/"hidden_size": .*/"hidden_size": 128,/' -e 's/"num_attention_heads": .*/"num_attention_heads": 2,/' \
  -e 's/"num_key_value_heads": .*/"num_key_value_heads": 1,/' -e 's/"zeros"/"normal"/' "$chain/model/config.json" >"$folder/model64/config.json"
cp "$chain/model/tokenizer.json" "$folder/model64/"
# A layer of the shape 0.5B, whose extents choose tiles that small models have not.
mkdir -p "$folder/shape-model"
sed -e 's/"hidden_size": .*/"hidden_size": 896,/' -e 's/"num_attention_heads": .*/"num_attention_heads": 14,/' \
  -e 's/"intermediate_size": .*/"intermediate_size": 4864,/' -e 's/"vocab_size": .*/"vocab_size": 151936,/' -e 's/"num_hidden_layers": .*/"num_hidden_layers": 1,/' \
  -e 's/"tie_word_embeddings": .*/"tie_word_embeddings": true,/' "$chain/model/config.json" >"$folder/shape-model/config.json"
cp "$chain/model/tokenizer.json" "$folder/shape-model/"
# Policy optimisation in small: program PROMPTS NAME EXTRA, with four samples of each prompt and what EXTRA adds to `sample`.
program() {
  sed -e "s/draw(prompts, 64)/draw(prompts, $1)/" -e 's/samples: int = 8/samples: int = 4/' -e 's/max_tokens: int = 64/max_tokens: int = 24/' \
    -e "s/batches(y, 256)/batches(y, 16)/" -e "s/max_tokens = max_tokens/&$3/" "$chain/mirror_descent.mirl" >"$folder/$2.mirl"
}
program 8 ready ", ready = 3, max_age = 6, in_flight = 1, cache = keep"
program 4 keep ", budget = 7, max_age = 9, in_flight = 2, cache = keep"
program 4 small ""
"$bin/mirl-gpu-products" "$folder/products"

# Without an instruction set of its own, the CPU's plan runs on any machine with AVX2.
cpu=(--target cpu:x86-64-v3) gpu=(--target cuda:sm_90a --module "${MIRL_GPU_MODULE:-cubin}")
running=()
# plan FILE ARGUMENT…: two are compiled at a time.
plan() {
  [ ${#running[@]} -lt 2 ] || { wait "${running[0]}"; running=("${running[@]:1}"); }
  "$bin/mirlc" "${@:2}" -o "$folder/$1" &
  running+=($!)
}
both() { # FILE ARGUMENT…: for either device
  plan "$1.cpu.plan" "${@:2}" "${cpu[@]}"
  plan "$1.cuda.plan" "${@:2}" "${gpu[@]}"
}
# entries FILE PATTERN: FILE of test/gpu, in small without the functions whose names match.
entries() {
  if [ "$small" ]; then sed -E "/^func\.func @$2\(/,/^}/d" "$root/test/gpu/$1"; else cat "$root/test/gpu/$1"; fi >"$folder/$1"
}
entries logprob.mlir '\w+_(large|chunks)'
entries attention.mlir '\w+_(4_2_128|7_1_64)'
entries paged.mlir '\w+_(14_2_64|17_1_128)'
entries groups.mlir 'projections_large_\w+'
both logprob "$folder/logprob.mlir" --dtype f32
python3 "$root/test/gpu/logprob.py" "$folder/logprob.mlir" "$folder/logprob_kept.mlir"
plan logprob.kept.plan "$folder/logprob_kept.mlir" "${gpu[@]}" --dtype f32
both attention "$folder/attention.mlir" --dtype f32
both paged "$folder/paged.mlir" --dtype f32
python3 "$root/test/gpu/paged.py" "$folder/paged.mlir" >"$folder/segments.mlir"
plan segments.cuda.plan "$folder/segments.mlir" "${gpu[@]}" --dtype f32
python3 "$root/test/gpu/updates.py" "$folder/updates.mlir"
both updates "$folder/updates.mlir" --dtype f32
both sft "$chain/sft.mirl" --model "$chain/model" --dtype f32
both mirror_descent "$chain/mirror_descent.mirl" --model "$chain/model" --dtype f32
# With bf16 the products are the tensor cores', whose sums have bits of their own.
both sft.bf16 "$chain/sft.mirl" --model "$chain/model" --dtype bf16
# What waits between iterations: keys and values of older weights, groups that end out of order.
both ready "$folder/ready.mirl" --model "$chain/model" --dtype f32 --slots 10
both keep "$folder/keep.mirl" --model "$chain/model" --dtype f32
if [ ! "$small" ]; then
  plan parity.plan "$chain/mirror_descent.mirl" --model "$folder/model64" "${gpu[@]}" --dtype bf16
  plan small.plan "$folder/small.mirl" --model "$folder/model64" "${gpu[@]}" --dtype bf16
  plan shape.plan "$folder/small.mirl" --model "$folder/shape-model" "${gpu[@]}" --dtype bf16 --micro-tokens 16384 --slots 256
fi
plan products/products.plan "$folder/products/products.mlir" "${gpu[@]}" --dtype f32
plan groups.cuda.plan "$folder/groups.mlir" "${gpu[@]}" --dtype f32
# Products by a library: none, where it has the same bits, whatever its bits are; at 16 rows and, but on an emulated GPU, at 4,096.
sed 's/context = 16/context = 4096/' "$root/test/gpu/library.mlir" >"$folder/library_large.mlir"
for program in "$root/test/gpu/library.mlir" "$folder/library_large.mlir"; do
  name=$(basename "$program" .mlir)
  plan "$name.own.plan" "$program" "${gpu[@]}" --dtype f32
  plan "$name.same.plan" "$program" "${gpu[@]}" --dtype f32 --products cublaslt
  plan "$name.any.plan" "$program" "${gpu[@]}" --dtype f32 --products cublaslt --parity off
done
plan row_blocks.cuda.plan "$root/test/gpu/row_blocks.mlir" "${gpu[@]}" --dtype f32
# Plans that need more memory than a GPU has (1 TiB and more), or than is left (4 GiB); one for another GPU.
for size in large:2097152 huge:536870912; do
  sed "s/context = 1024/context = ${size#*:}/" "$root/test/gpu/memory.mlir" >"$folder/${size%:*}.mlir"
  plan "${size%:*}.plan" "$folder/${size%:*}.mlir" "${gpu[@]}" --dtype f32
done
for process in "${running[@]}"; do wait "$process"; done
python3 "$root/test/gpu/refusals.py" edit "$folder/large.plan" "$folder/other.plan"
"$bin/mirl" init "$folder/sft.cpu.plan" --out "$folder/base" --seed 0 >/dev/null
if [ ! "$small" ]; then
  "$bin/mirl" init "$folder/parity.plan" --out "$folder/parity" --seed 0 >/dev/null
  cp "$folder/model64/"* "$folder/parity/"
fi
cp "$chain/model/config.json" "$chain/model/tokenizer.json" "$folder/base/"
du -sh "$folder"
