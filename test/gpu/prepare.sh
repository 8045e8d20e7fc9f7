#!/usr/bin/env bash
# Fills a folder with everything that run.sh needs on a machine with a GPU: prepare.sh BIN FOLDER. BIN holds mirl,
# mirlc and mirl-gpu-products. Needs ptxas (pip install nvidia-cuda-nvcc), but no GPU. With MIRL_GPU_MODULE=ptx the plans hold PTX,
# which needs no ptxas.
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$1 folder=$2 chain=$root/examples/chain
mkdir -p "$folder/bin" "$folder/lib"
cp "$bin/mirl" "$folder/bin/"
# Libraries that another distribution does not have in these versions; not the C library and what belongs to it.
ldd "$bin/mirl" | awk '$3 ~ /^\// {print $3}' | grep -Ev '/(libc|libm|libgcc_s|libstdc\+\+|libpthread|libdl|ld-linux[^/]*)\.so' |
  xargs -I{} cp -L {} "$folder/lib/"
cp "$root"/test/gpu/*.py "$root/test/gpu/run.sh" "$folder/"
python3 "$chain/generate.py" "$folder/data" --seed 0 >/dev/null
# Heads of 64 numbers, whose attention runs on the tensor cores in training, prefill and decoding; a head that is not zero.
mkdir -p "$folder/model64" "$folder/products"
sed -e 's/"hidden_size": .*/"hidden_size": 128,/' -e 's/"num_attention_heads": .*/"num_attention_heads": 2,/' \
  -e 's/"num_key_value_heads": .*/"num_key_value_heads": 1,/' -e 's/"zeros"/"normal"/' "$chain/model/config.json" >"$folder/model64/config.json"
cp "$chain/model/tokenizer.json" "$folder/model64/"
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
both logprob "$root/test/gpu/logprob.mlir" --dtype f32
both attention "$root/test/gpu/attention.mlir" --dtype f32
both paged "$root/test/gpu/paged.mlir" --dtype f32
both sft "$chain/sft.mirl" --model "$chain/model" --dtype f32
both mirror_descent "$chain/mirror_descent.mirl" --model "$chain/model" --dtype f32
# With bf16 the products are the tensor cores', whose sums have bits of their own.
both sft.bf16 "$chain/sft.mirl" --model "$chain/model" --dtype bf16
plan parity.plan "$chain/mirror_descent.mirl" --model "$folder/model64" "${gpu[@]}" --dtype bf16
plan products/products.plan "$folder/products/products.mlir" "${gpu[@]}" --dtype f32
plan groups.cuda.plan "$root/test/gpu/groups.mlir" "${gpu[@]}" --dtype f32
# Products by a library: none, where it has the same bits, whatever its bits are; at 16 rows and, but on an emulated GPU, at 4,096.
sed 's/context = 16/context = 4096/' "$root/test/gpu/library.mlir" >"$folder/library_large.mlir"
for program in "$root/test/gpu/library.mlir" "$folder/library_large.mlir"; do
  name=$(basename "$program" .mlir)
  plan "$name.own.plan" "$program" "${gpu[@]}" --dtype f32
  plan "$name.same.plan" "$program" "${gpu[@]}" --dtype f32 --products cublaslt
  plan "$name.any.plan" "$program" "${gpu[@]}" --dtype f32 --products cublaslt --parity off
done
plan row_blocks.cuda.plan "$root/test/gpu/row_blocks.mlir" "${gpu[@]}" --dtype f32
for process in "${running[@]}"; do wait "$process"; done
"$bin/mirl" init "$folder/sft.cpu.plan" --out "$folder/base" --seed 0 >/dev/null
"$bin/mirl" init "$folder/parity.plan" --out "$folder/parity" --seed 0 >/dev/null
cp "$folder/model64/"* "$folder/parity/"
cp "$chain/model/config.json" "$chain/model/tokenizer.json" "$folder/base/"
du -sh "$folder"
