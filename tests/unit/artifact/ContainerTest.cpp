// The container: what is written is read back, in place and aligned; other versions and CPUs are
// refused by name.
#include "tests/support/TempDir.h"
#include "tests/unit/artifact/TestModel.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace plexus;
using namespace plexus::test;
using ::testing::HasSubstr;

namespace {

struct ScopedEnv {
  explicit ScopedEnv(const char *value) { setenv("PLEXUS_ISA", value, 1); }
  ~ScopedEnv() { unsetenv("PLEXUS_ISA"); }
};

class Container : public ::testing::Test {
protected:
  plexus::testing::TempDir dir;
  std::string path = dir / "small.plx";
};

TEST_F(Container, GivesBackEverySection) {
  ASSERT_TRUE(writeSmallArtifact(path));
  auto artifact = Artifact::open(path);
  ASSERT_TRUE(artifact) << artifact.status().message();
  EXPECT_EQ((*artifact)->section("tokenizer"), "{\"model\":{}}");
  EXPECT_EQ((*artifact)->section("weights"), weightBytesOf(smallProgram()));
  EXPECT_EQ((*artifact)->section("nothing"), "");
  EXPECT_EQ((*artifact)->program().model.name, "small");
  EXPECT_TRUE((*artifact)->verify());
  for (const auto &section : (*artifact)->sections())
    EXPECT_EQ(section.offset % artifact::kAlignment, 0u) << section.name;
}

TEST_F(Container, LoadedCodeRunsOnMappedWeights) {
  ASSERT_TRUE(writeSmallArtifact(path));
  auto image = loadArtifact(path);
  ASSERT_TRUE(image) << image.status().message();
  auto *run = reinterpret_cast<plx_segment_fn>((*image)->code->lookup("plx_main"));
  auto *scratch = reinterpret_cast<plx_scratch_fn>((*image)->code->lookup("plx_main_scratch"));
  EXPECT_EQ(scratch(1, 2, 3, 4), 10);
  EXPECT_EQ((*image)->code->lookup("plx_other"), nullptr);
  alignas(64) float x[8] = {}, y[8];
  const void *inputs[] = {x}, *weights[] = {(*image)->weights->data(1)};
  EXPECT_EQ(reinterpret_cast<uintptr_t>(weights[0]) % 64, 0u);
  void *outputs[] = {y};
  plx_batch batch = {};
  batch.tokens = 1;
  plx_call call = {nullptr, &batch, inputs, outputs, weights, nullptr, nullptr, nullptr};
  EXPECT_EQ(run(&call), 0);
  EXPECT_EQ(y[7], 8.0f);
}

TEST_F(Container, SaysWhichVersionItReads) {
  ASSERT_TRUE(writeSmallArtifact(path));
  std::string bytes = readFile(path);
  bytes[8] = 3;
  writeFile(path, bytes);
  auto artifact = Artifact::open(path);
  EXPECT_EQ(artifact.status().code(), Code::Mismatch);
  EXPECT_THAT(artifact.status().message(), HasSubstr("artifact has format 3, this Plexus reads 1"));
}

TEST_F(Container, SaysWhichCpusItIsFor) {
  ASSERT_TRUE(writeSmallArtifact(path, "rv64gcv"));
  auto image = loadArtifact(path);
  EXPECT_EQ(image.status().code(), Code::Mismatch);
  EXPECT_THAT(image.status().message(), HasSubstr("has code for rv64gcv, this CPU runs "));
  ASSERT_TRUE(writeSmallArtifact(path));
  ScopedEnv none("none");
  EXPECT_THAT(loadArtifact(path).status().message(), HasSubstr("has code for x86-64-v3 (avx2"));
}

TEST_F(Container, NamesSegmentsWithoutCode) {
  ASSERT_TRUE(writeSmallArtifact(path, "x86-64-v3", [] {
    std::string code = codeObject("artifact_test_code");
    for (size_t at; (at = code.find("plx_main_scratch")) != std::string::npos;)
      code[at + 4] = 'n';
    return code;
  }()));
  EXPECT_THAT(loadArtifact(path).status().message(),
              HasSubstr("segment 'main' needs 'plx_main_scratch', which is missing"));
}

TEST_F(Container, VerifyFindsTheChunkOfAFlippedWeight) {
  ASSERT_TRUE(writeSmallArtifact(path));
  std::string bytes = readFile(path);
  auto artifact = Artifact::open(path);
  ASSERT_TRUE(artifact);
  size_t weights = bytes.size();
  for (const auto &section : (*artifact)->sections())
    if (section.name == "weights")
      weights = section.offset;
  bytes[weights + artifact::kHashChunk + 5] ^= 1;
  writeFile(path, bytes);
  artifact = Artifact::open(path);
  ASSERT_TRUE(artifact) << "values are checked by verify() alone";
  EXPECT_THAT((*artifact)->verify().message(), HasSubstr("(chunk 1)"));
}

TEST_F(Container, OtherFilesAreNotArtifacts) {
  writeFile(path, "PK\3\4 something else");
  EXPECT_THAT(Artifact::open(path).status().message(), HasSubstr("not a Plexus artifact"));
  writeFile(path, "");
  EXPECT_THAT(Artifact::open(path).status().message(), HasSubstr("not a Plexus artifact"));
  EXPECT_EQ(Artifact::open(dir / "none").status().code(), Code::NotFound);
}

TEST_F(Container, WriterRefusesBadSections) {
  auto writer = ArtifactWriter::create(path);
  ASSERT_TRUE(writer);
  using artifact::SectionKind;
  EXPECT_FALSE(writer->addSection(std::string(32, 'n'), SectionKind::Text, ""));
  EXPECT_TRUE(writer->addSection("ir", SectionKind::Text, ""));
  EXPECT_FALSE(writer->addSection("ir", SectionKind::Text, ""));
}

TEST_F(Container, NothingIsLeftBehindUnlessCommitted) {
  {
    auto writer = ArtifactWriter::create(path);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->addSection("ir", artifact::SectionKind::Text, "x"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
}

TEST_F(Container, AWriterKilledAtAnyMomentLeavesTheOldArtifactOrTheNew) {
  ASSERT_TRUE(writeSmallArtifact(path));
  int killed = 0;
  for (int round = 0; round < 40; ++round) {
    pid_t child = fork();
    if (child == 0) {
      for (;;)
        if (!writeSmallArtifact(path))
          _exit(1);
    }
    usleep(500 + 700 * round);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    killed += WIFSIGNALED(status);
    auto artifact = Artifact::open(path);
    ASSERT_TRUE(artifact) << artifact.status().message();
    EXPECT_TRUE((*artifact)->verify());
  }
  EXPECT_EQ(killed, 40) << "a writer failed instead of being killed";
  if (!dir.hasNamelessFiles())
    return;
  // At most a temporary name of a whole file, where a writer died between its naming and renaming.
  for (const auto &entry :
       std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()))
    EXPECT_TRUE(Artifact::open(entry.path().string())) << entry.path();
}

TEST_F(Container, FullDiskIsAnErrorAndLeavesNothing) {
  pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{600'000, 600'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    Status status = writeSmallArtifact(path);
    _exit(status.isOk() ? 1 : status.message().find(path) == std::string::npos ? 2 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: it succeeded; 2: the message does not name the file";
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
}

} // namespace
