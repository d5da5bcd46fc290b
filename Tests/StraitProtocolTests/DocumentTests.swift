// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct DocumentTests {
    private let model = ModelSpecification(
        name: "ocr", version: 2, modelFile: "/r/ocr/2/model.onnx", maxBatchSize: 8,
        inputs: [TensorSpecification(name: "x", type: .fp32, shape: [-1, 3, 48, -1])],
        outputs: [TensorSpecification(name: "y", type: .bytes, shape: [-1])], defaultClass: .high,
        deadlineMilliseconds: 12.5, maxQueueSize: 100, parameters: ["strait.class": "high", "a": "b"])

    @Test func errorsEscapeTheirMessage() {
        let body = Documents.errorBody("no \"x\"\n\u{0}\u{7F}\\é")
        #expect(text(body) == #"{"error":"no \"x\"\n\u0000\u007f\\é"}"#)
        #expect(isJSON(body))
    }

    @Test func serverMetadataNamesItsExtensions() {
        let body = Documents.serverMetadata(
            name: "strait", version: "1", extensions: ["binary_tensor_data", "statistics"])
        #expect(text(body) == #"{"name":"strait","version":"1","extensions":["binary_tensor_data","statistics"]}"#)
    }

    @Test func modelMetadataHasWholeShapes() {
        let body = Documents.modelMetadata(model, versions: [1, 2])
        #expect(
            text(body)
                == #"{"name":"ocr","versions":["1","2"],"platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,3,48,-1]}],"outputs":[{"name":"y","datatype":"BYTES","shape":[-1]}]}"#
        )
    }

    @Test func modelConfigurationLeavesTheBatchOutOfDims() {
        let body = Documents.modelConfiguration(model, instances: 2)
        #expect(isJSON(body))
        #expect(
            text(body)
                == #"{"name":"ocr","platform":"onnxruntime_onnx","backend":"onnxruntime","version_policy":{"latest":{"num_versions":1}},"max_batch_size":8,"input":[{"name":"x","data_type":"TYPE_FP32","dims":[3,48,-1]}],"output":[{"name":"y","data_type":"TYPE_STRING","dims":[]}],"instance_group":[{"name":"ocr","kind":"KIND_CPU","count":2}],"default_model_filename":"model.onnx","dynamic_batching":{"priority_levels":2,"default_priority_level":1,"default_queue_policy":{"timeout_action":"REJECT","default_timeout_microseconds":12500,"allow_timeout_override":true,"max_queue_size":100}},"parameters":{"a":{"string_value":"b"},"strait.class":{"string_value":"high"}}}"#
        )
    }

    @Test func aModelWithoutBatchesHasNoDynamicBatching() {
        var single = model
        single.maxBatchSize = 0
        for (policy, written) in [
            (VersionPolicy.all, #"{"all":{}}"#), (.specific([1, 3]), #"{"specific":{"versions":[1,3]}}"#),
        ] {
            single.versionPolicy = policy
            let body = text(Documents.modelConfiguration(single, instances: 1))
            #expect(!body.contains("dynamic_batching") && body.contains(#""dims":[-1,3,48,-1]"#))
            #expect(body.contains(#""version_policy":"# + written))
        }
    }

    @Test func statisticsHaveAllEightDurations() {
        var statistics = ModelStatistics(name: "ocr", version: 2)
        statistics.success.add(nanoseconds: 30)
        statistics.success.add(nanoseconds: 12)
        statistics.inferenceCount = 2
        statistics.executionCount = 1
        statistics.lastInference = 1_700_000_000_000
        var batch = ModelStatistics.Batch(size: 2)
        batch.computeInfer.add(nanoseconds: 9)
        statistics.batches = [batch]
        let body = Documents.modelStatistics([statistics])
        let none = #"{"count":0,"ns":0}"#
        #expect(isJSON(body))
        #expect(
            text(body)
                == #"{"model_stats":[{"name":"ocr","version":"2","last_inference":1700000000000,"inference_count":2,"execution_count":1,"inference_stats":{"success":{"count":2,"ns":42},"fail":\#(none),"queue":\#(none),"compute_input":\#(none),"compute_infer":\#(none),"compute_output":\#(none),"cache_hit":\#(none),"cache_miss":\#(none)},"response_stats":{},"batch_stats":[{"batch_size":2,"compute_input":\#(none),"compute_infer":{"count":1,"ns":9},"compute_output":\#(none)}],"memory_usage":[]}]}"#
        )
        #expect(text(Documents.modelStatistics([])) == #"{"model_stats":[]}"#)
    }
}
