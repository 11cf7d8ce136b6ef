import Monitor
import Wire
import XCTest

final class ResourceUsageTests: XCTestCase {
    func testTimeAndMemoryOfThisProcess() throws {
        let usage = ResourceUsage()
        let before = usage.sample()
        var sum: UInt64 = 0
        while usage.sample().processorTime - before.processorTime < .milliseconds(20) { for i in 0..<10_000 { sum ^= UInt64(i) &* 31 } }
        let after = usage.sample()
        XCTAssertGreaterThan(after.processorTime, before.processorTime, "\(sum)")
        let line = Files.text("/proc/self/status").split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
        let kilobytes = try XCTUnwrap(Int(line.split(whereSeparator: { !$0.isNumber }).first ?? ""))
        XCTAssertEqual(Double(after.residentBytes), Double(kilobytes) * 1024, accuracy: 4e6)
    }
}
