// swift-tools-version: 6.2
import PackageDescription

/// Stated once, used by every target: the compiler keeps the concurrency rules and every warning is an error.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    // Generic code of a lower module is specialised where it is used: without it the loop's timers alone looked types
    // up at run time in every turn. This is the root package, so the flag needs no consent of anybody's.
    // What is `package` is not handed to other modules by it: hot members are `@inlinable`, which does nothing unless
    // their type, and what they mention, is `@usableFromInline` as well.
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

func module(_ name: String, uses dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, uses dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
    name: "chat",
    products: [.executable(name: "chat", targets: ["chat"])],
    targets: [
        // Pure: bytes and rules. They import no I/O.
        module("Wire"),
        module("Delivery", uses: ["Wire"]),

        // The machine underneath.
        .systemLibrary(name: "CLinux"),
        module("Platform", uses: ["CLinux", "Wire"]),
        module("Net", uses: ["CLinux", "Platform", "Wire", "Delivery"]),
        module("Terminal", uses: ["CLinux", "Platform", "Wire", "Delivery"]),

        // What the modes share.
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        module("Store", uses: ["CSQLite", "Platform", "Wire", "Delivery"]),
        module("Service", uses: ["Net", "Platform", "Wire", "Delivery"]),
        module("Console", uses: ["Terminal", "Platform", "Wire", "Delivery"]),

        // The modes. They never import each other.
        module("P2PMode", uses: ["Service", "Console", "Store", "Net", "Platform", "Wire", "Delivery"]),
        module("BoardMode", uses: ["Service", "Console", "Terminal", "Store", "Net", "Platform", "Wire", "Delivery"]),
        module("UDPMode", uses: ["Service", "Console", "Store", "Net", "Platform", "Wire", "Delivery"]),
        module("RoomsMode", uses: ["Service", "Console", "Store", "Net", "Platform", "Wire", "Delivery"]),

        module("Bench", uses: ["CLinux", "Console", "Net", "Platform", "Wire", "Delivery"]),

        // The command line.
        module(
            "Commands", uses: ["Bench", "P2PMode", "BoardMode", "UDPMode", "RoomsMode", "Console", "Platform", "Wire"]),
        .executableTarget(name: "chat", dependencies: ["Commands", "Console", "Platform"], swiftSettings: settings),

        // Tests, what they share, and their tools.
        .target(
            name: "PlainSockets", dependencies: ["CLinux", "Platform", "Wire"], path: "Tests/PlainSockets",
            swiftSettings: settings),
        .target(
            name: "TestSupport", dependencies: ["CLinux", "Net", "PlainSockets", "Platform", "Wire"],
            path: "Tests/TestSupport", swiftSettings: settings),
        .executableTarget(
            name: "relay", dependencies: ["Net", "Platform", "Wire"], path: "Tests/Tools/Relay", swiftSettings: settings
        ),
        .executableTarget(
            name: "console-probe", dependencies: ["Console", "Net", "Platform", "Wire"],
            path: "Tests/Tools/ConsoleProbe", swiftSettings: settings),
        .executableTarget(
            name: "codec-speed", dependencies: ["P2PMode", "BoardMode", "Platform", "Wire"],
            path: "Tests/Tools/CodecSpeed", swiftSettings: settings),
        .target(
            name: "FuzzTargets",
            dependencies: ["P2PMode", "BoardMode", "UDPMode", "RoomsMode", "Terminal", "Delivery", "Wire"],
            path: "Tests/FuzzTargets", swiftSettings: settings),
        .target(
            name: "FaultProxy", dependencies: ["CLinux", "PlainSockets", "Platform", "Wire"], path: "Tests/FaultProxy",
            swiftSettings: settings),
        .executableTarget(
            name: "fault-proxy", dependencies: ["CLinux", "FaultProxy", "Platform", "Wire"],
            path: "Tests/Tools/FaultProxy", swiftSettings: settings),
        .target(
            name: "Abuse", dependencies: ["CLinux", "PlainSockets", "Platform", "TestSupport", "Wire"],
            path: "Tests/Abuse",
            swiftSettings: settings),
        tests("AbuseTests", uses: ["Abuse", "Platform", "TestSupport", "Wire", "chat"]),
        .executableTarget(
            name: "long-run", dependencies: ["Abuse", "Platform", "TestSupport", "Wire", "chat"],
            path: "Tests/Tools/LongRun", swiftSettings: settings),
        tests("FaultTests", uses: ["FaultProxy", "Platform", "TestSupport", "Wire", "chat"]),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport", "Wire"], exclude: ["found.txt"],
            swiftSettings: settings),
        tests("WireTests", uses: ["Wire", "TestSupport"]),
        tests("DeliveryTests", uses: ["Delivery", "Wire"]),
        tests("PlatformTests", uses: ["Platform", "Wire", "TestSupport"]),
        tests("NetTests", uses: ["CLinux", "Net", "Platform", "Wire", "TestSupport", "relay"]),
        tests("BenchTests", uses: ["Bench", "Platform", "Wire", "TestSupport", "chat"]),
        tests("ServiceTests", uses: ["Service", "Net", "Platform", "Wire", "TestSupport"]),
        tests("TerminalTests", uses: ["Terminal", "Platform", "Wire", "TestSupport"]),
        tests(
            "ConsoleTests",
            uses: [
                "CLinux", "Console", "Net", "Terminal", "Platform", "Wire", "TestSupport", "console-probe", "chat",
            ]),
        tests(
            "P2PModeTests",
            uses: [
                "P2PMode", "Console", "Store", "CLinux", "Net", "Platform", "Wire", "Delivery", "PlainSockets",
                "TestSupport",
                "chat",
            ]),
        tests(
            "UDPModeTests",
            uses: [
                "UDPMode", "Console", "Store", "Net", "Platform", "Wire", "Delivery", "FaultProxy", "PlainSockets",
                "TestSupport", "chat",
            ]),
        tests("StoreTests", uses: ["Store", "CSQLite", "Platform", "Wire", "Delivery", "TestSupport"]),
        tests(
            "BoardModeTests",
            uses: [
                "BoardMode", "Store", "Console", "Net", "Platform", "Wire", "Delivery", "PlainSockets", "TestSupport",
                "chat",
            ]),
        tests(
            "RoomsModeTests",
            uses: [
                "RoomsMode", "Store", "Console", "Net", "Platform", "Wire", "Delivery", "FaultProxy", "PlainSockets",
                "TestSupport", "chat",
            ]),
        tests(
            "PermissionTests",
            uses: [
                "Commands", "P2PMode", "BoardMode", "UDPMode", "RoomsMode", "Platform", "Wire", "TestSupport", "chat",
            ]),
        tests(
            "ModesTests", uses: ["Commands", "CLinux", "Platform", "Wire", "TestSupport", "chat"]),
        tests(
            "CommandsTests",
            uses: [
                "Commands", "Bench", "P2PMode", "BoardMode", "UDPMode", "RoomsMode", "Console", "Platform", "Wire",
                "TestSupport", "chat",
            ]),
    ]
)

// The fuzzer links only with the sanitizer that brings its `main`; see Tests/README.md.
if Context.environment["CHAT_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["FuzzTargets"], path: "Tests/Tools/Fuzz",
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-use-ld=lld"])]))
}
