#include "runtime/io/MappedFile.h"

#include "tests/support/TempDir.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

using namespace plexus;
using plexus::testing::TempDir;

namespace {

TEST(MappedFile, ShowsTheBytesAndKeepsThemAfterADrop) {
  TempDir dir;
  std::string bytes(100'000, 'a');
  bytes[70'000] = 'b';
  auto file = MappedFile::open(dir.write("x", bytes));
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_EQ((*file)->size(), bytes.size());
  (*file)->adviseSequential();
  (*file)->dropRange(0, SIZE_MAX);
  (*file)->dropRange(SIZE_MAX, 1);
  (*file)->dropRange(5, 10);
  EXPECT_EQ((*file)->data()[70'000], 'b');
}

TEST(MappedFile, AnEmptyFileHasNoBytes) {
  TempDir dir;
  auto file = MappedFile::open(dir.write("x", ""));
  ASSERT_TRUE(file.isOk());
  EXPECT_EQ((*file)->size(), 0u);
  (*file)->adviseSequential();
  (*file)->dropRange(0, 1);
}

TEST(MappedFile, WhatIsNoFileIsRefused) {
  TempDir dir;
  EXPECT_EQ(MappedFile::open(dir / "none").status().code(), Code::NotFound);
  EXPECT_EQ(MappedFile::open(dir.path()).status().code(), Code::InvalidArgument);
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(dir / "fifo").status().code(), Code::InvalidArgument);
}

TEST(MappedFile, IdentityFollowsTheContents) {
  TempDir dir;
  std::string path = dir.write("x", "1234");
  std::string first = (*MappedFile::open(path))->identity();
  EXPECT_EQ(first, (*MappedFile::open(path))->identity());
  dir.write("y", "1235");
  std::filesystem::rename(dir / "y", path);
  EXPECT_NE(first, (*MappedFile::open(path))->identity());
}

TEST(MappedFile, TextFilesHaveALimit) {
  TempDir dir;
  std::string path = dir.write("x", "12345");
  EXPECT_EQ(*readTextFile(path, 5), "12345");
  EXPECT_EQ(readTextFile(path, 4).status().code(), Code::ResourceExhausted);
}

} // namespace
