@EBS
Feature: Where the deferred teardown ends
  The order holds for handlers that do their work at once. A handler that defers its own work by the same trick comes
  before or behind the teardown, as the core happens to queue.

  @EBS-10 @iommu-driver @beyond-uefi @T39 @limit @on-sev @needs-block-driver @needs-os-loader @needs-handler-tpl
  Rule: Of two handlers that defer by the same trick, the one whose handler runs first has its way first
    Source: UEFI 2.10, 7.1: a level's queue is first in, first out. So the order of the two second events is that of the
    two handlers, which the specification leaves open within a level.
    Mend: Nothing is to mend in the IOMMU driver: a driver that defers its halt should halt in its handler.

    @EBS-10.1
    Scenario Outline: A disk driver defers its halt, as the IOMMU driver defers its teardown
      Given an IOMMU driver whose exit handler is queued at <iommu>
      And a disk that its driver halts in a second event, signaled from an exit handler at <disk>
      When the OS loader takes the machine over
      Then the disk <finding>

      Examples:
        | iommu        | disk         | finding                                    |
        | TPL_CALLBACK | TPL_NOTIFY   | is halted before its mapping is torn down  |
        | TPL_NOTIFY   | TPL_CALLBACK | runs on after its mapping is torn down     |
