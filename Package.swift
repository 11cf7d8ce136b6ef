// swift-tools-version:6.2
import PackageDescription

/// Every module is held to the same rules: Swift 6 mode, unsafe code marked, no warning survives.
let house: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func module(_ folder: String, _ dependencies: [Target.Dependency], linking: [String] = []) -> Target {
    let name = String(folder.split(separator: "/").last!)
    return .target(
        name: name, dependencies: dependencies, path: "Sources/\(folder)", exclude: ["README.md"],
        swiftSettings: house, linkerSettings: linking.map { .linkedLibrary($0) })
}

func library(_ name: String, pkgConfig: String? = nil) -> Target {
    .systemLibrary(name: name, path: "Sources/C/\(name)", pkgConfig: pkgConfig)
}

/// A library that is only looked at when the trait is on.
func optional(_ name: String, trait: String) -> Target.Dependency {
    .target(name: name, condition: .when(traits: [trait]))
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, path: "Tests/\(name)", resources: resources,
        swiftSettings: house)
}

/// Everything is linked into the program; the sanitizers' libraries cannot be.
let alone: [LinkerSetting] = Context.environment["WALDO_SANITIZE"] == nil ? [.unsafeFlags(["-static-executable"])] : []

/// By target: the file in `examples`.
let examples = [
    "MonitorExample": "monitor", "OperatorExample": "operator", "RobotExample": "robot", "TwoPeers": "TwoPeers",
    "VideoSender": "VideoSender", "WebServer": "WebServer",
]

func example(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "examples",
        exclude: examples.filter { $0.key != name }.map { "\($0.value).swift" }.sorted(), swiftSettings: house)
}

let package = Package(
    name: "waldo",
    products: [.executable(name: "waldo", targets: ["waldo"]), .executable(name: "waldo-monitor", targets: ["waldo-monitor"])],
    traits: [
        .trait(name: "GStreamer", description: "Cameras, microphones and video encoders that GStreamer has an element for"),
        .trait(name: "X264", description: "H.264 by x264 (GPL)"),
    ],
    targets: [
        // Core: pure Swift; told bytes and time.
        module("Core/Wire", [], linking: ["m"]),  // rounding
        module("Core/RTC", ["Wire"]),
        module("Core/NetSim", ["Wire", "RTC"]),
        module("Core/HTTP", ["Wire"]),
        module("Core/Robot", ["Wire"]),
        module("Core/Teleop", ["Wire", "Robot"]),
        module("Core/Contracts", ["Wire", "Robot", "Teleop"]),
        module("Core/Recording", ["Wire"]),
        module("Core/Usage", ["Wire"]),

        // Rim: touches the outside world, one C family each.
        module("Rim/Reactor", ["Wire", "CLinux"]),
        module("Rim/Crypto", ["Wire", "RTC", "COpenSSL"]),
        module("Rim/DataLink", ["Wire", "RTC", "CUsrsctp"]),
        module("Rim/Web", ["Wire", "HTTP", "Reactor", "CZlib"]),
        module(
            "Rim/Media",
            ["Wire", "RTC", "Reactor", "COpenH264", "CVPX", "COpus", "CYUV", "CTurboJPEG", optional("CX264", trait: "X264")]),
        module("Rim/Monitor", ["Wire", "HTTP", "Usage", "Reactor", "Web", "CLinux"]),
        module("Rim/Display", ["Wire", "Teleop", "Reactor", "Media", "CSDL"]),
        module("Rim/GStreamer", ["Wire", "RTC", "Media", optional("CGst", trait: "GStreamer")]),
        module(
            "Rim/Service",
            [
                "Wire", "RTC", "HTTP", "Robot", "Teleop", "Contracts", "Recording", "Usage", "Web", "Reactor", "Crypto", "DataLink",
                "Media", "Monitor", "CQRencode",
            ]),

        .target(
            name: "SimDriver", dependencies: ["Wire", "Robot", "Media", "Reactor", "CMuJoCo"], path: "Sources/Rim/Drivers/Sim",
            exclude: ["README.md"], swiftSettings: house),

        .target(
            name: "CameraDriver", dependencies: ["Wire", "Robot", "Media", "Reactor", "GStreamer"], path: "Sources/Rim/Drivers/Camera",
            exclude: ["README.md"], swiftSettings: house),

        // App: composition roots.
        .executableTarget(
            name: "waldo",
            dependencies: [
                "Wire", "RTC", "HTTP", "Recording", "Robot", "Teleop", "Contracts", "Usage", "Media", "Reactor", "Crypto", "Web",
                "SimDriver", "CameraDriver", "Display", "GStreamer", "Service",
            ],
            path: "Sources/App/waldo",
            exclude: ["README.md"], swiftSettings: house),

        // Small, and alone on a machine for ever: everything is linked into it.
        .executableTarget(
            name: "waldo-monitor", dependencies: ["Wire", "HTTP", "Usage", "Reactor", "Web", "Monitor"], path: "Sources/App/waldo-monitor",
            exclude: ["README.md"], swiftSettings: house, linkerSettings: alone),

        // Examples: one file each.
        example("MonitorExample", ["Wire", "Usage", "Monitor"]),
        example("OperatorExample", ["Wire", "RTC", "HTTP", "Media", "Service"]),
        example("RobotExample", ["Wire", "HTTP", "Media", "Service"]),
        example("TwoPeers", ["Wire", "RTC", "NetSim", "Service"]),
        example("WebServer", ["Wire", "HTTP", "Reactor", "Web"]),
        example("VideoSender", ["Wire", "RTC", "HTTP", "Reactor", "Crypto", "Web", "Media", "Service"]),

        // Fuzzing: every parser of outside bytes; the corpus is replayed by the tests.
        .target(
            name: "FuzzTargets", dependencies: ["Wire", "RTC", "HTTP", "Recording", "Robot", "Teleop", "Contracts", "Usage"],
            path: "Fuzz/Targets",
            swiftSettings: house),
        .executableTarget(name: "waldo-fuzz", dependencies: ["FuzzTargets"], path: "Fuzz/Driver", swiftSettings: house),

        // C: module maps and shims, one folder a library.
        .target(name: "CLinux", path: "Sources/C/CLinux"),
        library("COpenSSL"), library("CUsrsctp"), library("COpenH264"), library("CVPX"), library("COpus"), library("CSRTP"),
        library("CZlib"), library("CQRencode"), library("CYUV"), library("CTurboJPEG"),
        library("CGst", pkgConfig: "gstreamer-app-1.0"), library("CX264"),
        // Its headers are fetched by scripts/setup; the library is opened when it is first needed.
        .target(name: "CMuJoCo", path: "Sources/C/CMuJoCo", cSettings: [.headerSearchPath("../../../.build-deps/mujoco/include")]),
        // A window, opened when one is first wanted.
        .target(name: "CSDL", path: "Sources/C/CSDL"),
        .target(name: "CVirtualTime", path: "Sources/C/CVirtualTime"),

        // What several of the tests below use.
        .target(name: "TestSupport", dependencies: ["Wire", "Reactor"], path: "Tests/TestSupport", swiftSettings: house),

        tests("WireTests", ["Wire"]),
        tests("RTCTests", ["Wire", "RTC"], resources: [.copy("Resources")]),
        tests("NetSimTests", ["Wire", "RTC", "NetSim"]),
        tests("CryptoTests", ["Wire", "RTC", "Crypto", "CSRTP", "CVirtualTime", "TestSupport"]),
        tests("DataLinkTests", ["Wire", "RTC", "Crypto", "DataLink", "CVirtualTime", "TestSupport"]),
        tests("EngineTests", ["Wire", "RTC", "NetSim", "Reactor", "Recording", "Service", "CVirtualTime", "TestSupport"]),
        tests("FuzzTests", ["FuzzTargets"]),
        tests("HTTPTests", ["Wire", "HTTP"]),
        tests("RobotTests", ["Wire", "Robot"]),
        tests("TeleopTests", ["Wire", "Robot", "Teleop"]),
        tests("ContractsTests", ["Wire", "Robot", "Teleop", "Contracts"], resources: [.copy("Resources")]),
        tests("ReactorTests", ["Wire", "Reactor", "TestSupport"]),
        tests("WebTests", ["Wire", "HTTP", "Reactor", "Crypto", "Web", "TestSupport"]),
        tests("SignallingTests", ["Wire", "HTTP", "Reactor", "Web", "Service", "TestSupport"]),
        tests("MediaTests", ["Wire", "RTC", "HTTP", "Reactor", "Web", "Media", "Service", "CTurboJPEG", "TestSupport"]),
        tests("RecordingTests", ["Wire", "RTC", "Reactor", "Recording", "Service", "TestSupport"]),
        tests("CameraTests", ["Wire", "Robot", "Media", "Reactor", "CameraDriver", "TestSupport"]),
        tests("DisplayTests", ["Wire", "Teleop", "Media", "Reactor", "Display", "TestSupport"]),
        tests("UsageTests", ["Wire", "Usage"], resources: [.copy("Resources")]),
        tests("MonitorTests", ["Wire", "HTTP", "Usage", "Reactor", "Web", "Monitor", "TestSupport"]),
        tests("StationTests", ["Wire", "Usage", "Service"]),
        tests("GStreamerTests", ["Wire", "RTC", "Media", "GStreamer"]),
        tests("SimDriverTests", ["Wire", "Robot", "Media", "Reactor", "SimDriver", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
