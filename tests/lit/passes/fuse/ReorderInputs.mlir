// Products read their inputs in the order in which the weight's columns are stored; weights of one order share it, and
// another use of the weight keeps it as it is meant.
// RUN: plexus-opt --plx-reorder-inputs --cse --split-input-file %s | FileCheck %s

// CHECK-LABEL: plx.model @shared
plx.model @shared {
  // CHECK-DAG: plx.weight @q.stored : tensor<32x64xf16> = #plx.source<"q.stored"
  // CHECK-DAG: plx.weight @q.order : tensor<64xf32> = #plx.source<"q.order"
  // CHECK-DAG: plx.weight @k.stored : tensor<32x64xf16> = #plx.source<"k.stored"
  // CHECK-NOT: plx.unsort
  plx.weight @q : tensor<32x64xf16> = #plx.unsort<[#plx.source<"q.order" : tensor<64xf32>>, #plx.source<"q.stored" : tensor<32x64xf16>>]>
  plx.weight @k : tensor<32x64xf16> = #plx.unsort<[#plx.source<"q.order" : tensor<64xf32>>, #plx.source<"k.stored" : tensor<32x64xf16>>]>
  // CHECK-LABEL: plx.segment @products
  plx.segment @products(%x: tensor<?x64xf32>, %batch: !plx.batch) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
    %q = plx.param @q : tensor<32x64xf16>
    %k = plx.param @k : tensor<32x64xf16>
    // CHECK: %[[ORDER:.*]] = plx.param @q.order
    // CHECK: %[[X:.*]] = plx.reorder %{{.*}} by %[[ORDER]] : tensor<?x64xf32>, tensor<64xf32>
    // CHECK-NOT: plx.reorder
    // CHECK: plx.linear %[[X]]
    %0 = plx.linear %x, %q : (tensor<?x64xf32>, tensor<32x64xf16>) -> tensor<?x32xf32>
    // CHECK: plx.linear %[[X]]
    %1 = plx.linear %x, %k : (tensor<?x64xf32>, tensor<32x64xf16>) -> tensor<?x32xf32>
    plx.return %0, %1 : tensor<?x32xf32>, tensor<?x32xf32>
  }
}

// -----

// CHECK-LABEL: plx.model @table
plx.model @table {
  // CHECK: plx.weight @w : tensor<32x64xf16> = #plx.unsort
  plx.weight @w : tensor<32x64xf16> = #plx.unsort<[#plx.source<"w.order" : tensor<64xf32>>, #plx.source<"w.stored" : tensor<32x64xf16>>]>
  plx.segment @rows(%ids: tensor<?xi32>, %batch: !plx.batch) -> tensor<?x64xf32> {
    %w = plx.param @w : tensor<32x64xf16>
    // CHECK: plx.embedding
    %0 = plx.embedding %ids, %w : (tensor<?xi32>, tensor<32x64xf16>) -> tensor<?x64xf32>
    plx.return %0 : tensor<?x64xf32>
  }
}
