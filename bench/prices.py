"""What AWS asks, in US dollars: each price with its region, its date and where it was read. Pure data.

Prices that nobody read anywhere say so. To change one is to change it here; ``make docs`` writes docs/cost.md anew.
"""

from __future__ import annotations

from dataclasses import dataclass

REGION = "us-east-1"

_MEMORY = "from memory of AWS's list: check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars for one unit of something."""

    what: str
    dollars: float
    unit: str
    date: str
    source: str


_VANTAGE = "https://www.vantage.sh/blog/fargate-pricing"
FARGATE_VCPU = Price(
    what="Fargate, Linux on ARM64, vCPU", dollars=0.03238, unit="hour", date="2021-04", source=_VANTAGE
)
FARGATE_GB = Price(
    what="Fargate, Linux on ARM64, GB of memory", dollars=0.00356, unit="hour", date="2021-04", source=_VANTAGE
)

_TREK10 = (
    "https://www.trek10.com/blog/amazon-kinesis-data-streams-on-demand-vs.-provisioned-billing-mode-cost-comparison"
)
SHARD = Price(what="Kinesis, provisioned shard", dollars=0.015, unit="hour", date="2023-09", source=_TREK10)
PUT_UNITS = Price(
    what="Kinesis, provisioned, PUT payload units", dollars=0.014, unit="million", date="2023-09", source=_TREK10
)
STREAM = Price(what="Kinesis, on-demand stream", dollars=0.04, unit="hour", date="2023-09", source=_TREK10)
INGESTED = Price(
    what="Kinesis, on-demand, written, each record rounded up to 1 KB",
    dollars=0.08,
    unit="GB",
    date="2023-09",
    source=_TREK10,
)
RETRIEVED = Price(
    what="Kinesis, on-demand, read, for each reader", dollars=0.04, unit="GB", date="2023-09", source=_TREK10
)

_FUKUDA = "https://www.zacfukuda.com/blog/aws-nat-gateway-vs-vpc-endpoint"
NAT = Price(what="NAT gateway", dollars=0.045, unit="hour", date="2026-06", source=_FUKUDA)
NAT_GB = Price(what="NAT gateway, both directions", dollars=0.045, unit="GB", date="2026-06", source=_FUKUDA)
ENDPOINT = Price(
    what="VPC endpoint, in each availability zone", dollars=0.01, unit="hour", date="2026-06", source=_FUKUDA
)
ENDPOINT_GB = Price(what="VPC endpoint, both directions", dollars=0.01, unit="GB", date="2026-06", source=_FUKUDA)

DCU = Price(what="DMS serverless, DCU, one zone", dollars=0.087, unit="hour", date="2025", source=_MEMORY)
DMS_T3_MEDIUM = Price(what="dms.t3.medium, one zone", dollars=0.073, unit="hour", date="2025", source=_MEMORY)
DMS_C5_LARGE = Price(what="dms.c5.large, one zone", dollars=0.154, unit="hour", date="2025", source=_MEMORY)
RDS_M7G_LARGE = Price(
    what="RDS, db.m7g.large, 2 vCPU, one zone", dollars=0.168, unit="hour", date="2025", source=_MEMORY
)

PRICES = (
    FARGATE_VCPU,
    FARGATE_GB,
    SHARD,
    PUT_UNITS,
    STREAM,
    INGESTED,
    RETRIEVED,
    NAT,
    NAT_GB,
    ENDPOINT,
    ENDPOINT_GB,
    DCU,
    DMS_T3_MEDIUM,
    DMS_C5_LARGE,
    RDS_M7G_LARGE,
)
