"""The import graph: no cycles, and no module that imports the face of its own package."""

from __future__ import annotations

import functools
import graphlib

import grimp

PACKAGES = ("crackseg", "data_gen")


@functools.cache
def graph_of_imports() -> dict[str, frozenset[str]]:
    """Return the imports of every module, packages of imported modules included."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports: dict[str, frozenset[str]] = {}
    for module in graph.modules:
        targets = set(graph.find_modules_directly_imported_by(module))
        for target in list(targets):
            package = target.rpartition(".")[0]
            lines = [detail["line_contents"] for detail in graph.get_import_details(importer=module, imported=target)]
            if package and any(line.startswith(f"from {package} import") for line in lines):
                targets.add(package)
        imports[module] = frozenset(targets - {module})
    return imports


def test_the_graph_holds_every_package() -> None:
    graph = graph_of_imports()
    assert "data_gen.chance" in graph["data_gen.camera"]
    assert "data_gen.sample" in graph["data_gen"]
    assert "data_gen" in graph["crackseg.generation.run"]


def test_no_modules_import_each_other_in_a_cycle() -> None:
    graphlib.TopologicalSorter(graph_of_imports()).prepare()


def test_no_module_imports_the_face_of_a_package_that_it_belongs_to() -> None:
    upwards = {
        (module, target)
        for module, targets in graph_of_imports().items()
        for target in targets
        if module.startswith(f"{target}.")
    }
    assert upwards == set()
