// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitPlatform
internal import StraitServing

/// The flags of `strait serve`; Triton's names where they mean the same.
struct ServeOptions: ParsableArguments {
    @Option(
        name: [.long, .customLong("model-store")],
        help: ArgumentHelp(
            "The folder of models, in Triton's layout.", valueName: "folder"))
    var modelRepository: String

    @Option(
        help: ArgumentHelp(
            "Who decides which models are served: none (the repository, at the start), explicit (clients) or poll (the "
                + "repository, all the time).", valueName: "mode"))
    var modelControlMode = "none"

    @Option(
        help: ArgumentHelp(
            "A model to load at the start in mode explicit; * for all. May be given several times.", valueName: "name"))
    var loadModel: [String] = []

    @Option(help: ArgumentHelp("Seconds between two looks at the repository in mode poll.", valueName: "seconds"))
    var repositoryPollSecs = 15

    @Option(help: ArgumentHelp("The address to listen on for HTTP.", valueName: "address"))
    var httpAddress = "0.0.0.0"

    @Option(help: ArgumentHelp("The port for HTTP; 0 takes any free one.", valueName: "port"))
    var httpPort = 8000

    @Option(help: ArgumentHelp("The address to listen on for gRPC.", valueName: "address"))
    var grpcAddress = "0.0.0.0"

    @Option(help: ArgumentHelp("The port for gRPC; 0 takes any free one.", valueName: "port"))
    var grpcPort = 8001

    @Flag(help: "Serve HTTP only.")
    var noGrpc = false

    @Option(
        help: ArgumentHelp(
            "Threads for the network. Default: the cores that have no lane, at least 1, at most 4.",
            valueName: "threads"))
    var httpThreads: Int?

    @Option(
        help: ArgumentHelp(
            "What models run on; several of one kind share the work. Default: cpu.",
            discussion:
                "cpu[:cores=LIST,lanes=N] are processor cores, cuda:N is a GPU, virtual:NAME,… plays one. A drill: with "
                + "fault=lost, hang or fail (and fault-after=BATCHES, fault-ms=MS) a device is out of order for a while; "
                + "virtual:l4,count=4,lost=2@20-35,clock=0.7@50 loses one for 15 s and slows all down. docs/virtual-devices.md.",
            valueName: "kind:options"))
    var device: [String] = []

    @OptionGroup var lanes: LaneOptions

    @Option(
        help: ArgumentHelp(
            "What decides who runs: \(PolicyName.live.map(\.rawValue).joined(separator: " or ")).",
            valueName: "name"))
    var policy = PolicyName.strait.rawValue

    @Option(
        help: ArgumentHelp(
            "What predicts how batches slow each other down: \(Self.estimators). All but kalman are controls.",
            valueName: "name"))
    var interference = EstimatorName.kalman.rawValue

    private static let estimators = EstimatorName.allCases.map(\.rawValue).joined(separator: " or ")

    @Option(
        help: ArgumentHelp(
            "Deadlines in milliseconds of requests that name none and whose model names none.",
            valueName: "high=MS,low=MS"))
    var defaultDeadline = "high=1000,low=30000"

    @Option(
        help: ArgumentHelp(
            "Requests that may wait; the low class may take four fifths of them.", valueName: "requests"))
    var maxQueue = 10_000

    @Option(
        help: ArgumentHelp(
            "Memory for the tensors of all requests in flight, in MiB. Default: 1024, or a quarter of what this process "
                + "may take beside the models.",
            discussion: "A request's bytes may be there four times: as its body, its batch, its results, its reply.",
            valueName: "MiB"))
    var tensorMemory: Int?

    @Option(help: ArgumentHelp("The largest body of one request, in MiB.", valueName: "MiB"))
    var maxBody = 256

    @Option(help: ArgumentHelp("Connections at one time.", valueName: "connections"))
    var maxConnections = 16_384

    @Option(
        help: ArgumentHelp(
            "Seconds after which a connection is closed that sends nothing and waits for no answer.",
            valueName: "seconds"))
    var idleTimeoutSecs = 300

    @Option(help: ArgumentHelp("Seconds to finish what was accepted after SIGTERM.", valueName: "seconds"))
    var exitTimeoutSecs = 30

    @Option(
        help: ArgumentHelp(
            "A file with measured times of the models. Default: DIR.profile.json beside the repository, if it is there.",
            valueName: "path"))
    var profile: String?

    @Flag(help: "Serve models that have no profile without measuring a quick one, which takes a second for each.")
    var noQuickProfile = false

    @Option(
        help: ArgumentHelp(
            "Where what the server learns is kept from run to run. Default: beside the repository.", valueName: "path"))
    var learned: String?

    @Flag(help: "Start without what an earlier server learned, and keep nothing.")
    var noLearned = false

    @Option(
        help: ArgumentHelp(
            "Write which requests came, which batches ran and how all ended to this file, a line each.",
            discussion: "strait fidelity compares it with the simulator; docs/fidelity.md tells its form.",
            valueName: "path"))
    var record: String?

    @OptionGroup var onnxRuntime: OnnxRuntimeOptions

    @OptionGroup var access: AccessOptions

    /// The tensor memory asked for, or the usual, in MiB.
    var mostTensorMemory: Int { tensorMemory ?? 1024 }

    mutating func validate() throws {
        try check(
            ["none", "explicit", "poll"].contains(modelControlMode),
            "--model-control-mode is '\(modelControlMode)'; there are none, explicit and poll")
        try check(
            loadModel.isEmpty || modelControlMode == "explicit",
            "--load-model is for --model-control-mode explicit; in the others the repository decides")
        try check(
            record == nil || modelControlMode == "none",
            "--record needs --model-control-mode none: a recording tells its models at its beginning")
        try check(
            (1...86_400).contains(repositoryPollSecs),
            "--repository-poll-secs is \(repositoryPollSecs); expected 1 to 86400")
        try check((0...65_535).contains(httpPort), "--http-port is \(httpPort); expected 0 to 65535")
        try check((0...65_535).contains(grpcPort), "--grpc-port is \(grpcPort); expected 0 to 65535")
        try check(
            noGrpc || httpPort == 0 || httpPort != grpcPort || httpAddress != grpcAddress,
            "--http-port and --grpc-port are both \(httpPort); each needs its own")
        try check(
            httpThreads.map { (1...64).contains($0) } ?? true, "--http-threads is \(httpThreads ?? 0); expected 1 to 64"
        )
        try lanes.check(beside: !device.isEmpty)
        try check(device.count <= Self.mostDevices, "--device is given more than \(Self.mostDevices) times")
        do { for one in try specifications { try one.check() } } catch { throw ValidationError("\(error)") }
        try check(
            PolicyName(rawValue: policy) != nil,
            "--policy is '\(policy)'; there are \(PolicyName.live.map(\.rawValue).joined(separator: ", "))")
        try check(
            PolicyName(rawValue: policy)?.isForSimulation != true,
            "--policy is '\(policy)', which only the simulator can run: it needs devices that pause or kill batches, or "
                + "knowledge of what is to come; there are \(PolicyName.live.map(\.rawValue).joined(separator: ", "))")
        try check(
            EstimatorName(rawValue: interference) != nil,
            "--interference is '\(interference)'; there are \(Self.estimators)")
        try check(
            deadlines != nil, "--default-deadline is '\(defaultDeadline)'; expected for instance high=1000,low=30000")
        try check(!noLearned || learned == nil, "--learned and --no-learned contradict each other")
        try check((1...1_000_000).contains(maxQueue), "--max-queue is \(maxQueue); expected 1 to 1000000")
        try check(
            (1...1_048_576).contains(mostTensorMemory),
            "--tensor-memory is \(mostTensorMemory); expected MiB, 1 to 1048576")
        try check(
            (1...mostTensorMemory).contains(maxBody),
            "--max-body is \(maxBody); expected MiB, 1 to --tensor-memory's \(mostTensorMemory)")
        try check(
            (1...1_000_000).contains(maxConnections), "--max-connections is \(maxConnections); expected 1 to 1000000")
        try check(
            (1...86_400).contains(idleTimeoutSecs), "--idle-timeout-secs is \(idleTimeoutSecs); expected 1 to 86400")
        try check(
            (0...86_400).contains(exitTimeoutSecs), "--exit-timeout-secs is \(exitTimeoutSecs); expected 0 to 86400")
    }

    /// The default deadlines in milliseconds; nil where they cannot be read.
    var deadlines: (high: Double, low: Double)? {
        var (high, low) = (1000.0, 30_000.0)
        for part in defaultDeadline.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, let value = Double(sides[1]), value > 0, value.isFinite else { return nil }
            switch sides[0] {
            case "high": high = value
            case "low": low = value
            default: return nil
            }
        }
        return (high, low)
    }

    /// Who decides which models are served.
    var catalogMode: ModelCatalog.Mode {
        switch modelControlMode {
        case "explicit": .explicit(initial: loadModel)
        case "poll": .poll(seconds: repositoryPollSecs)
        default: .none
        }
    }

    /// Where the learned state is kept; nil for nowhere.
    var learnedPath: String? {
        noLearned ? nil : learned ?? LearnedStateFile.path(forRepository: modelRepository)
    }

    /// Devices beyond this are a slip of the finger.
    private static let mostDevices = 64

    /// What is to run models.
    var specifications: [DeviceSpecification] {
        get throws(DeviceSpecification.Misspelling) {
            guard device.isEmpty else {
                var read: [DeviceSpecification] = []
                for text in device { read.append(try DeviceSpecification(text)) }
                return read
            }
            return [lanes.specification]
        }
    }

    /// Where the network's threads go: on the cores that no lane has.
    func networkPlacement(beside laneCores: Set<Int>) -> (threads: Int, cores: [Int]) {
        let others = CoreSet.allowed().filter { !laneCores.contains($0) }
        // Empty where lanes have all cores; then the network runs anywhere.
        return (httpThreads ?? min(4, max(1, others.count)), others)
    }
}
