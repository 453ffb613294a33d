// What brain refuses, and in which words.
// RUN: plexus-opt %s -split-input-file -verify-diagnostics

func.func @alpha(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  // expected-error @+1 {{'alpha' must be above 0 and at most 1, found 1.5}}
  %0 = brain.ema_standardize %x, %batch {alpha = 1.5 : f64, eps = 1.0e-4 : f64} : (tensor<?x8xf32>, !plx.batch) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

func.func @state(%x: tensor<?x8xf32>, %s: !plx.carry<3 x 8>, %batch: !plx.batch) -> tensor<?x8xf32> {
  // expected-error @+1 {{'state' is '!plx.carry<3 x 8>', expected '!plx.carry<3 x 8 x 2>'}}
  %0 = brain.ema_standardize %x, %batch state %s {alpha = 0.5 : f64, eps = 1.0e-4 : f64} : (tensor<?x8xf32>, !plx.batch, !plx.carry<3 x 8>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

func.func @sections(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x16xf32> {
  // expected-error @+1 {{'sos' has 6 numbers, expected 6 a section, as many sections for each of 2 filters}}
  %0 = brain.sos_filter %x, %batch {filters = 2 : i64, sos = array<f64: 1.0, 0.0, 0.0, 1.0, 0.0, 0.0>} : (tensor<?x8xf32>, !plx.batch) -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}

// -----

func.func @normalised(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8xf32> {
  // expected-error @+1 {{'sos' has a0 = 2.000000e+00 in section 0, expected 1: divide the section by it}}
  %0 = brain.sos_filtfilt %x, %batch {padding = 3 : i64, sos = array<f64: 1.0, 0.0, 0.0, 2.0, 0.0, 0.0>} : (tensor<?x8xf32>, !plx.batch) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

func.func @shrinkage(%x: tensor<?x8xf32>, %batch: !plx.batch) -> tensor<?x8x8xf32> {
  // expected-error @+1 {{'shrinkage' must be from 0 to 1, found 2.0}}
  %0 = brain.covariance %x, %batch {shrinkage = 2.0 : f64} : (tensor<?x8xf32>, !plx.batch) -> tensor<?x8x8xf32>
  return %0 : tensor<?x8x8xf32>
}

// -----

func.func @square(%x: tensor<?x8x7xf32>) -> tensor<?x8x7xf32> {
  // expected-error @+1 {{'input' must be square matrices, found 'tensor<?x8x7xf32>'}}
  %0 = brain.matrix_log %x {floor = 1.0e-10 : f64} : tensor<?x8x7xf32> -> tensor<?x8x7xf32>
  return %0 : tensor<?x8x7xf32>
}
