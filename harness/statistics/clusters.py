"""Items in clusters: how far the mean of values is off when those of one cluster go up and down together."""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Clusters:
    """Which cluster each item is in, for at least two clusters of which at least one has several items."""

    codes: NDArray[np.int64]
    """[n], the cluster's number, from 0 on."""
    sizes: NDArray[np.int64]
    """[clusters], its items."""

    def sums(self, values: Values) -> Values:
        """Each cluster's sum of its items' values: [n] -> [clusters]."""
        return np.bincount(self.codes, weights=values).astype(np.float64, copy=False)

    def with_one_more(self, size: int) -> "Clusters":
        """These, and a further cluster of `size` items."""
        codes = np.append(self.codes, np.full(size, self.sizes.size))
        return Clusters(codes, np.append(self.sizes, size))

    @property
    def least_effective_n(self) -> float:
        """The independent items that n are worth if those of a cluster are all alike: n² / Σ size² (Kish 1965).

        The number of clusters where they have the same size, fewer where a large one outweighs the others.
        """
        return float(self.codes.size**2 / (self.sizes @ self.sizes))


def read_clusters(labels: Iterable[Hashable] | None, n: int) -> Clusters | None:
    """Labels [n] as Clusters; None where there are none, or every item is a cluster of its own.

    Raises ValueError for another number of labels than items, labels that are None or NaN, a single cluster.
    """
    if labels is None:
        return None
    listed = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    if len(listed) != n:
        raise ValueError(f"clusters has {len(listed)} labels for {n} values: give each value the label of its cluster")
    numbers = {label: number for number, label in enumerate(dict.fromkeys(listed))}
    codes = np.fromiter(map(numbers.__getitem__, listed), dtype=np.int64, count=n)
    for label, number in numbers.items():
        if label is None or label != label:
            where = int(np.argmax(codes == number))
            raise ValueError(f"clusters[{where}] is {label}: give an item that is in no cluster a label of its own")
    if len(numbers) == n:
        return None
    if len(numbers) == 1:
        raise ValueError("one cluster: no spread between clusters can be seen; measure items of at least two")
    return Clusters(codes, np.bincount(codes))


def deviations(values: Values, clusters: Clusters | None) -> Values:
    """Of every value from the mean of all, or each cluster's sum of them: [n] -> [units]."""
    apart = values - values.mean()
    return apart if clusters is None else clusters.sums(apart)


def covariance_of_means(a: Values, b: Values, n: int) -> float:
    """Of two means over the same n items, from their `deviations` [units]: u / (u - 1) Σ a b / n², for u units.

    With every item its own unit the usual one; with clusters the cluster-robust one, which allows for any
    dependence inside them and for different sizes: Liang and Zeger 1986, Biometrika 73:13-22, with the factor for
    few clusters (CR1) of Cameron and Miller 2015, Journal of Human Resources 50:317-372. For evaluations: Miller
    2024, "Adding Error Bars to Evals", arXiv:2411.00640. NaN for a single unit.
    """
    units = a.size
    return units / (units - 1) * float(a @ b) / n**2 if units > 1 else math.nan


def effective_items(values: Values, clusters: Clusters | None) -> float:
    """The number of independent items whose mean would be off as far as that of these values in clusters.

    n / (design effect): the cluster-robust variance over that of independent items (Kish 1965, Survey Sampling).
    Of few clusters with items off the median, hardly anything can be learnt about it: against the square of their
    number stands one vote for clusters whose items are all alike, so that `least_effective_n` is what remains without
    any. At most n.
    """
    n = values.size
    if clusters is None:
        return float(n)
    apart, alike = values - values.mean(), n / clusters.least_effective_n
    apart /= np.abs(apart).max() or 1.0  # whose squares may be too small for a float
    sums, groups = clusters.sums(apart), clusters.sizes.size
    votes = np.count_nonzero(clusters.sums(np.asarray(values != np.median(values), dtype=np.float64))) ** 2
    seen = groups / (groups - 1) * float(sums @ sums) / float(apart @ apart) if votes else 0.0
    return float(n / max(1.0, (alike + votes * seen) / (1 + votes)))
