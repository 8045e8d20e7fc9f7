#!/usr/bin/env bash
# Fills a folder with everything that run.sh needs on a machine with a GPU: prepare.sh BIN FOLDER. BIN holds mirl,
# mirlc and mirl-gpu-products. Needs ptxas (pip install nvidia-cuda-nvcc), but no GPU.
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$1 folder=$2 chain=$root/examples/chain
mkdir -p "$folder/bin" "$folder/lib"
cp "$bin/mirl" "$folder/bin/"
# Libraries that another distribution does not have in these versions; not the C library and what belongs to it.
ldd "$bin/mirl" | awk '$3 ~ /^\// {print $3}' | grep -Ev '/(libc|libm|libgcc_s|libstdc\+\+|libpthread|libdl|ld-linux[^/]*)\.so' |
  xargs -I{} cp -L {} "$folder/lib/"
cp "$root/test/gpu/compare.py" "$root/test/gpu/groups.py" "$root/test/gpu/logprob.py" "$root/test/gpu/paged.py" "$root/test/gpu/run.sh" "$folder/"
python3 "$chain/generate.py" "$folder/data" --seed 0 >/dev/null
for program in sft mirror_descent; do
  # Without an instruction set of its own, the CPU's plan runs on any machine with AVX2.
  "$bin/mirlc" "$chain/$program.mirl" --model "$chain/model" --target cpu:x86-64-v3 --dtype f32 -o "$folder/$program.cpu.plan"
  "$bin/mirlc" "$chain/$program.mirl" --model "$chain/model" --target cuda:sm_90a --dtype f32 -o "$folder/$program.cuda.plan"
done
# With bf16 the products are the tensor cores', whose sums have bits of their own.
for target in cpu:x86-64-v3 cuda:sm_90a; do
  "$bin/mirlc" "$chain/sft.mirl" --model "$chain/model" --target $target --dtype bf16 -o "$folder/sft.bf16.${target%%:*}.plan"
done
for target in cpu:x86-64-v3 cuda:sm_90a; do
  "$bin/mirlc" "$root/test/gpu/attention.mlir" --target $target --dtype f32 -o "$folder/attention.${target%%:*}.plan"
done
for target in cpu:x86-64-v3 cuda:sm_90a; do
  "$bin/mirlc" "$root/test/gpu/paged.mlir" --target $target --dtype f32 -o "$folder/paged.${target%%:*}.plan"
done
# Heads of 64 numbers, whose attention runs on the tensor cores in training, prefill and decoding; a head that is not zero.
mkdir -p "$folder/model64"
sed -e 's/"hidden_size": .*/"hidden_size": 128,/' -e 's/"num_attention_heads": .*/"num_attention_heads": 2,/' \
  -e 's/"num_key_value_heads": .*/"num_key_value_heads": 1,/' -e 's/"zeros"/"normal"/' "$chain/model/config.json" >"$folder/model64/config.json"
cp "$chain/model/tokenizer.json" "$folder/model64/"
"$bin/mirlc" "$chain/mirror_descent.mirl" --model "$folder/model64" --target cuda:sm_90a --dtype bf16 -o "$folder/parity.plan"
mkdir -p "$folder/products"
"$bin/mirl-gpu-products" "$folder/products"
"$bin/mirlc" "$folder/products/products.mlir" --target cuda:sm_90a --dtype f32 -o "$folder/products/products.plan"
for target in cpu:x86-64-v3 cuda:sm_90a; do
  "$bin/mirlc" "$root/test/gpu/logprob.mlir" --target $target --dtype f32 -o "$folder/logprob.${target%%:*}.plan"
done
"$bin/mirlc" "$root/test/gpu/groups.mlir" --target cuda:sm_90a --dtype f32 -o "$folder/groups.cuda.plan"
"$bin/mirl" init "$folder/sft.cpu.plan" --out "$folder/base" --seed 0 >/dev/null
"$bin/mirl" init "$folder/parity.plan" --out "$folder/parity" --seed 0 >/dev/null
cp "$folder/model64/"* "$folder/parity/"
cp "$chain/model/config.json" "$chain/model/tokenizer.json" "$folder/base/"
du -sh "$folder"
