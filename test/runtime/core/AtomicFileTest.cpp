#include "runtime/weights/AtomicFile.h"

#include <sys/stat.h>
#include <unistd.h>

#include "test/runtime/core/CorePlan.h"

namespace mirl::rt::test {
namespace {

using testing::ElementsAre;

TEST(AtomicFile, AppearsWhenItIsWhole) {
  Folder folder;
  std::string path = folder.Write("a.txt", "old");
  {
    AtomicFile file(path);
    ASSERT_TRUE(file.Write("ne").ok());
    ASSERT_TRUE(file.Write("w", 1).ok());
    ASSERT_TRUE(file.Write("").ok());
    EXPECT_EQ(ReadText(path), "old");
    EXPECT_EQ(folder.Names().size(), 2u);
    ASSERT_TRUE(file.Commit().ok());
    EXPECT_EQ(ReadText(path), "new");
  }
  EXPECT_THAT(folder.Names(), ElementsAre("a.txt"));
}

TEST(AtomicFile, WithoutCommitNothingHappened) {
  Folder folder;
  std::string path = folder.Write("a.txt", "old");
  {
    AtomicFile file(path);
    ASSERT_TRUE(file.Write("new").ok());
  }
  EXPECT_EQ(ReadText(path), "old");
  EXPECT_THAT(folder.Names(), ElementsAre("a.txt"));
}

TEST(AtomicFile, AFullDiskLeavesTheOldFile) {
  Folder folder;
  std::string path = folder.Write("a.txt", "old"), big(100000, 'x');
  {
    FullDisk full(1000);
    AtomicFile file(path);
    ExpectError(file.Write(big), path, "File too large");
    ExpectError(file.Write("more"), path); // An error stays.
    ExpectError(file.Commit(), path);
  }
  EXPECT_EQ(ReadText(path), "old");
  EXPECT_THAT(folder.Names(), ElementsAre("a.txt"));
  {
    FullDisk full(1000);
    ExpectError(WriteFileAtomically(path, big), path);
  }
  EXPECT_THAT(folder.Names(), ElementsAre("a.txt"));
  EXPECT_TRUE(WriteFileAtomically(path, big).ok());
  EXPECT_EQ(ReadText(path), big);
}

TEST(AtomicFile, PlacesThatCannotBeWritten) {
  Folder folder;
  ExpectError(WriteFileAtomically(folder / "none/a.txt", "x"), "none/a.txt", "No such file");
  // A folder of the name: the rename fails, and leaves nothing behind.
  ASSERT_EQ(mkdir((folder / "a").c_str(), 0755), 0);
  ExpectError(WriteFileAtomically(folder / "a", "x"), folder / "a");
  EXPECT_THAT(folder.Names(), ElementsAre("a"));
}

TEST(AtomicFile, ReadFile) {
  Folder folder;
  std::string text(3000, '\0'), read = "something";
  text[7] = 'x';
  ASSERT_TRUE(ReadFile(folder.Write("a", text), read).ok());
  EXPECT_EQ(read, text);
  ASSERT_TRUE(ReadFile(folder.Write("b", ""), read).ok());
  EXPECT_EQ(read, "");
  ExpectError(ReadFile(folder / "c", read), folder / "c", "No such file");
  ExpectError(ReadFile(folder.path(), read), folder.path());
  ExpectError(ReadFile("/dev/zero", read), "/dev/zero");
}

TEST(AtomicFile, MakeDirectories) {
  Folder folder;
  EXPECT_TRUE(MakeDirectories(folder / "a/b/c").ok());
  EXPECT_TRUE(MakeDirectories(folder / "a/b/c").ok());
  EXPECT_TRUE(MakeDirectories(folder / "a/d/").ok());
  folder.Write("file", "x");
  ExpectError(MakeDirectories(folder / "file"), folder / "file");
  ExpectError(MakeDirectories(folder / "file/below"), folder / "file");
}

} // namespace
} // namespace mirl::rt::test
