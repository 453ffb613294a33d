#include "runtime/tensor/Tensor.h"
#include "runtime/tensor/DLPack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace plexus;
using ::testing::ElementsAre;

namespace {

TEST(Tensor, ZerosAreAlignedAndZero) {
  auto tensor = Tensor::zeros(DType::I32, {3, 5});
  ASSERT_TRUE(tensor.isOk());
  EXPECT_EQ(tensor->count(), 15);
  EXPECT_EQ(tensor->bytes(), 60u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->data.get()) % 64, 0u);
  for (int i = 0; i < 15; ++i)
    EXPECT_EQ(tensor->as<int32_t>()[i], 0);
  EXPECT_EQ(Tensor::zeros(DType::F32, {0, 4})->count(), 0);
  EXPECT_EQ(Tensor::zeros(DType::F32, {})->count(), 1);
}

TEST(Tensor, ImpossibleShapesAreRefused) {
  for (const std::vector<int64_t> &shape :
       {std::vector<int64_t>{-1}, {INT64_MAX, 2}, {(int64_t(1) << 46) + 1}})
    EXPECT_EQ(Tensor::zeros(DType::F64, shape).status().code(), Code::ResourceExhausted);
}

TEST(Tensor, StridedTensorsBecomeDense) {
  float values[] = {1, 2, 3, 4, 5, 6};
  Tensor transposed = Tensor::borrow(DType::F32, {3, 2}, values);
  transposed.strides = {1, 3};
  EXPECT_FALSE(transposed.isDense());
  auto dense = transposed.dense();
  ASSERT_TRUE(dense.isOk());
  std::vector<float> got(dense->as<float>(), dense->as<float>() + 6);
  EXPECT_THAT(got, ElementsAre(1, 4, 2, 5, 3, 6));

  Tensor plain = Tensor::borrow(DType::F32, {2, 1, 3}, values);
  plain.strides = {3, 77, 1}; // The stride of a dimension of one element means nothing.
  EXPECT_TRUE(plain.isDense());
  EXPECT_EQ(plain.dense()->data.get(), values);
}

TEST(DLPack, LeavesAndReturnsWithoutACopy) {
  auto tensor = Tensor::zeros(DType::BF16, {2, 3});
  ASSERT_TRUE(tensor.isOk());
  std::weak_ptr<void> bytes = tensor->data;
  void *address = tensor->data.get();
  auto managed = exportDlpack(*tensor);
  ASSERT_TRUE(managed.isOk());
  EXPECT_EQ((*managed)->tensor.dtype.code, 4);
  EXPECT_EQ((*managed)->tensor.strides[0], 3);
  *tensor = Tensor();
  EXPECT_FALSE(bytes.expired()) << "the exported tensor keeps the bytes";
  {
    auto back = importDlpack(*managed);
    ASSERT_TRUE(back.isOk()) << back.status().message();
    EXPECT_EQ(back->data.get(), address);
    EXPECT_EQ(back->dtype, DType::BF16);
    EXPECT_THAT(back->shape, ElementsAre(2, 3));
    EXPECT_TRUE(back->isDense());
  }
  EXPECT_TRUE(bytes.expired()) << "the last copy calls the deleter";
}

TEST(DLPack, EveryTypeSurvives) {
  for (int i = 0; i <= int(DType::F8E5M2); ++i) {
    auto back = importDlpack(exportDlpackVersioned(*Tensor::zeros(DType(i), {4})));
    ASSERT_TRUE(back.isOk());
    EXPECT_EQ(back->dtype, DType(i));
  }
}

TEST(DLPack, ReadOnlyStaysReadOnly) {
  float value = 3;
  Tensor tensor = Tensor::borrow(DType::F32, {1}, &value);
  EXPECT_EQ(exportDlpack(tensor).status().code(), Code::InvalidArgument);
  auto back = importDlpack(exportDlpackVersioned(tensor));
  ASSERT_TRUE(back.isOk());
  EXPECT_TRUE(back->readOnly);
}

TEST(DLPack, ForeignOffsetsAndMissingDeletersAreHonoured) {
  float values[] = {1, 2, 3};
  int64_t shape[] = {2};
  dlpack::Managed managed{{values, {1, 0}, 1, {2, 32, 1}, shape, nullptr, 4}, nullptr, nullptr};
  auto tensor = importDlpack(&managed);
  ASSERT_TRUE(tensor.isOk());
  EXPECT_EQ(tensor->as<float>()[0], 2.0f);
  EXPECT_FALSE(tensor->readOnly);
}

TEST(DLPack, WhatPlexusHasNotIsRefusedAndStaysWithTheCaller) {
  float values[] = {1};
  int64_t shape[] = {1}, negative[] = {-1};
  bool deleted = false;
  dlpack::Managed good{{values, {1, 0}, 1, {2, 32, 1}, shape, nullptr, 0},
                       &deleted,
                       [](dlpack::Managed *m) { *static_cast<bool *>(m->context) = true; }};
  auto refuse = [&](auto change, Code code) {
    dlpack::Managed bad = good;
    change(bad.tensor);
    auto tensor = importDlpack(&bad);
    ASSERT_FALSE(tensor.isOk());
    EXPECT_EQ(tensor.status().code(), code) << tensor.status().message();
  };
  refuse([](auto &t) { t.device.type = 2; }, Code::Unsupported);
  refuse([](auto &t) { t.dtype.bits = 4; }, Code::Unsupported);
  refuse([](auto &t) { t.dtype.lanes = 4; }, Code::Unsupported);
  refuse([&](auto &t) { t.shape = negative; }, Code::InvalidArgument);
  refuse([](auto &t) { t.shape = nullptr; }, Code::InvalidArgument);
  refuse([](auto &t) { t.rank = -1; }, Code::InvalidArgument);
  refuse([](auto &t) { t.data = nullptr; }, Code::InvalidArgument);
  EXPECT_FALSE(deleted);

  dlpack::ManagedVersioned future{};
  future.major = 2;
  EXPECT_EQ(importDlpack(&future).status().code(), Code::Mismatch);
}

} // namespace
