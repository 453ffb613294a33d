#include "runtime/io/AtomicFile.h"

#include "tests/support/TempDir.h"

#include <gtest/gtest.h>

#include <csignal>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace plexus;
using plexus::testing::TempDir;

namespace {

/// Runs `body` in a child process (limits and mounts stay there) and returns its exit status.
template <typename Body>
int inChild(Body body) {
  pid_t child = ::fork();
  if (child == 0)
    ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

constexpr int passed = 0, skipped = 77;

TEST(AtomicFile, TheNameAppearsOnCommitOnly) {
  TempDir dir;
  auto file = AtomicFile::create(dir / "a.bin");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  ASSERT_TRUE(file->write("hello").isOk());
  EXPECT_FALSE(std::filesystem::exists(dir / "a.bin"));
  ASSERT_TRUE(file->commit().isOk());
  EXPECT_EQ(dir.read("a.bin"), "hello");
  EXPECT_EQ(dir.entries(), 1u);
  EXPECT_FALSE(file->commit().isOk());
  EXPECT_FALSE(file->write("more").isOk());
}

TEST(AtomicFile, WithoutCommitTheOldFileStaysAndNothingIsLeft) {
  TempDir dir;
  dir.write("a.bin", "old");
  {
    auto file = AtomicFile::create(dir / "a.bin");
    ASSERT_TRUE(file.isOk());
    ASSERT_TRUE(file->write("new").isOk());
  }
  EXPECT_EQ(dir.read("a.bin"), "old");
  EXPECT_EQ(dir.entries(), 1u);
}

TEST(AtomicFile, AlignsAndOverwritesWhatWasWritten) {
  TempDir dir;
  auto file = AtomicFile::create(dir / "a.bin");
  ASSERT_TRUE(file.isOk());
  ASSERT_TRUE(file->write("abc").isOk());
  ASSERT_TRUE(file->align(8192).isOk());
  EXPECT_EQ(file->offset(), 8192u);
  ASSERT_TRUE(file->align(8192).isOk());
  EXPECT_EQ(file->offset(), 8192u);
  ASSERT_TRUE(file->writeAt(1, "X", 1).isOk());
  EXPECT_FALSE(file->writeAt(8192, "X", 1).isOk());
  ASSERT_TRUE(file->commit().isOk());
  EXPECT_EQ(dir.read("a.bin").substr(0, 4), std::string("aXc\0", 4));
}

TEST(AtomicFile, TheFileHasTheUsualPermissions) {
  TempDir dir;
  mode_t mask = ::umask(027);
  ASSERT_TRUE(writeFileAtomically(dir / "a", "x").isOk());
  ::umask(mask);
  struct stat info = {};
  ASSERT_EQ(::stat((dir / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0640u);
}

TEST(AtomicFile, MissingFoldersAndFolderNamesAreErrors) {
  TempDir dir;
  Status missing = writeFileAtomically(dir / "no/such/a.bin", "x");
  EXPECT_EQ(missing.code(), Code::NotFound);
  EXPECT_NE(missing.message().find("no/such/a.bin"), std::string::npos) << missing.message();
  EXPECT_EQ(writeFileAtomically(dir.path(), "x").code(), Code::InvalidArgument);
  EXPECT_EQ(writeFileAtomically(dir / "sub/", "x").code(), Code::InvalidArgument);
}

TEST(AtomicFile, PipesAndDevicesAreNotReplaced) {
  TempDir dir;
  const std::string pipe = dir / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(writeFileAtomically(pipe, "x").code(), Code::InvalidArgument);
  struct stat info = {};
  ASSERT_EQ(::stat(pipe.c_str(), &info), 0);
  EXPECT_TRUE(S_ISFIFO(info.st_mode));
}

TEST(AtomicFile, AFileSizeLimitIsReportedByName) {
  TempDir dir;
  EXPECT_EQ(passed, inChild([&] {
              std::signal(SIGXFSZ, SIG_IGN);
              rlimit limit{65536, 65536};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              Status status = writeFileAtomically(dir / "big.bin", std::string(1 << 20, 'x'));
              return status.code() == Code::ResourceExhausted &&
                             status.message().find("big.bin") != std::string::npos
                         ? passed
                         : 1;
            }));
  EXPECT_EQ(dir.entries(), 0u);
}

TEST(AtomicFile, AFullDiskIsReportedByNameAndLeavesNothing) {
  TempDir dir;
  int result = inChild([&] {
    // A file system of 256 KiB of our own, where that is allowed.
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
      return skipped;
    ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=256k") != 0)
      return skipped;
    Status status = writeFileAtomically(dir / "big.bin", std::string(1 << 20, 'x'));
    if (status.code() != Code::ResourceExhausted ||
        status.message().find("big.bin: cannot write: No space left") == std::string::npos)
      return 1;
    return dir.entries() == 0 ? passed : 2;
  });
  if (result == skipped)
    GTEST_SKIP() << "no right to mount a small file system";
  EXPECT_EQ(result, passed);
}

TEST(AtomicFile, AKilledWriterLeavesTheOldFileAndNothingElse) {
  TempDir dir;
  dir.write("a.bin", "old");
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto file = AtomicFile::create(dir / "a.bin");
    (void)file->write(std::string(1 << 20, 'x'));
    (void)!::write(pipe[1], "x", 1);
    ::pause();
  }
  char ready;
  ASSERT_EQ(::read(pipe[0], &ready, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(dir.read("a.bin"), "old");
  if (dir.hasNamelessFiles())
    EXPECT_EQ(dir.entries(), 1u);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

} // namespace
