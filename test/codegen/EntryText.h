// Spelling an entry of nn ops for a test, without writing every type three times.
//
//   EntryText text;
//   auto x = text.input("x", rows(96)), w = text.input("w", fixed({48, 96}));
//   text.result(text.op("nn.linear {0}, {1}", {x, w}, {rows(48)})[0]);
//   Entry::compile(text.str());

#ifndef MIRL_TEST_CODEGEN_ENTRYTEXT_H
#define MIRL_TEST_CODEGEN_ENTRYTEXT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace mirl::test {

// Types. Rows are counted by an axis: context unless said.
std::string rows(int64_t columns, llvm::StringRef axis = "context");
std::string scalars(llvm::StringRef axis = "context");               // f32, one for each row
std::string indices(llvm::StringRef axis = "context");               // i32
std::string offsetsOf(llvm::StringRef axis);                         // i32, one more than the axis has rows
std::string fixed(llvm::ArrayRef<int64_t> shape, llvm::StringRef element = "f32");
std::string scalar(llvm::StringRef element = "f32");

class EntryText {
public:
  struct Value {
    std::string name, type;
  };
  Value input(llvm::StringRef name, std::string type);
  Value variable(llvm::StringRef name, std::string type);
  // Adds `%new… = form : (operand types) -> result types`, with {i} replaced by operand i. `trailer` replaces what is
  // behind the colon where an op is printed in another way.
  std::vector<Value> op(std::string form, std::vector<Value> operands, std::vector<std::string> results,
                        std::string trailer = "");
  void result(const Value &value); // a port
  // The value becomes the new one of the variable that is argument `argument`.
  void update(const Value &value, int64_t argument);
  std::string str() const;

private:
  std::string variables_, arguments_, body_, results_, types_, values_;
  int next_ = 0;
};

} // namespace mirl::test

#endif // MIRL_TEST_CODEGEN_ENTRYTEXT_H
