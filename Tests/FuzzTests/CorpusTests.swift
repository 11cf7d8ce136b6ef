import Foundation
import FuzzTargets
import XCTest

/// Replays every committed input, and small damages of each, through its parser. Nothing is asserted but that nothing traps.
final class CorpusTests: XCTestCase {
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Fuzz/corpus")

    func testEveryTargetHasACorpusAndSurvivesIt() throws {
        for target in FuzzTarget.allCases {
            let folder = Self.corpus.appendingPathComponent(target.rawValue)
            let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            XCTAssertFalse(files.isEmpty, "\(target) has no corpus; run make fuzz")
            for file in files {
                let input = [UInt8](try Data(contentsOf: file))
                target.run(input.span)
                for cut in stride(from: 0, to: min(input.count, 200), by: 7) { target.run(Array(input[..<cut]).span) }
                for index in stride(from: 0, to: min(input.count, 400), by: 11) {
                    var damaged = input
                    damaged[index] ^= UInt8(1 << (index % 8))
                    target.run(damaged.span)
                }
            }
        }
    }
}
